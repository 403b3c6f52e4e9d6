// Comfort for the console, whose pages all work without it: questions as dialogs, menus that close, copying, and
// filters that apply themselves. Knows no page: everything is asked for by data- attributes.
"use strict";

/** Shows the question that a link leads to as a dialog over the page; where that fails, the link is followed. */
async function ask(link) {
  let question = null;
  try {
    const answer = await fetch(link.href, { credentials: "same-origin", redirect: "error" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    question = answer.ok ? page.querySelector("[data-dialog-content]") : null;
  } catch {
    question = null;
  }
  if (!question) {
    location.assign(link.href);
    return;
  }
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", "confirm-title");
  dialog.append(document.adoptNode(question));
  dialog.addEventListener("close", () => {
    dialog.remove();
    const back = link.closest("[data-menu]")?.querySelector("summary") ?? link;
    back.focus();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (menu !== except) menu.open = false;
  }
}

function move(menu, step) {
  const items = [...menu.querySelectorAll(".menu__item")];
  const next = (items.indexOf(document.activeElement) + step + items.length) % items.length;
  items[next]?.focus();
}

document.addEventListener("click", (event) => {
  closeMenus(event.target.closest("[data-menu]"));
  const link = event.target.closest("a[data-dialog]");
  if (link && event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    closeMenus(null);
    ask(link);
  }
});

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("[data-menu][open]");
  if (!menu) return;
  if (event.key === "Escape") {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    move(menu, event.key === "ArrowDown" ? 1 : -1);
  }
});

document.addEventListener("focusout", (event) => {
  const menu = event.target.closest?.("[data-menu][open]");
  if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = "Copied";
    button.setAttribute("aria-live", "polite");
  });
}

// What can't be had again shouldn't be sent twice.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});
