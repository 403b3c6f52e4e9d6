const buttons = [...document.querySelectorAll("nav button")];
const show = wanted => {
  for (const button of buttons) button.ariaPressed = String(button.dataset.outcome === wanted);
  for (const each of document.querySelectorAll("[data-is]")) each.hidden = wanted !== "" && each.dataset.is !== wanted;
  for (const each of document.querySelectorAll("section")) each.hidden = !each.querySelector("[data-is]:not([hidden])");
};
for (const button of buttons) button.onclick = () => show(button.dataset.outcome);
document.querySelector("nav").hidden = false;
if (buttons.some(button => button.dataset.outcome === "fail")) show("fail");
addEventListener("hashchange", () => {
  const section = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (section && section.hidden) { show(""); section.scrollIntoView(); }
});
