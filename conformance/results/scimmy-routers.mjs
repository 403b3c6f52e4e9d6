// The app that scimmy-routers was tried with: its own User and Group, kept in memory.
// npm install express scimmy scimmy-routers && node scimmy-routers.mjs   → http://127.0.0.1:8790/scim
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const groups = new Map();
const groupsOf = id => [...groups.values()]
    .filter(group => group.members?.some(member => member.value === id))
    .map(group => ({ value: group.id, display: group.displayName, type: "direct" }));

for (const type of [SCIMMY.Resources.User, SCIMMY.Resources.Group]) {
    const ofUsers = type === SCIMMY.Resources.User;
    const unique = ofUsers ? "userName" : null;
    const kept = ofUsers ? new Map() : groups;
    const shown = each => ofUsers ? { ...each, groups: groupsOf(each.id) } : each;
    const lost = id => new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
    SCIMMY.Resources.declare(type)
        .ingress(({ id }, data) => {
            if (id && !kept.has(id)) throw lost(id);
            const same = other => unique && String(other[unique]).toLowerCase() === String(data[unique]).toLowerCase();
            if ([...kept.values()].some(other => other.id !== id && same(other)))
                throw new SCIMMY.Types.Error(409, "uniqueness", `${unique} is taken`);
            const now = new Date().toISOString();
            const key = id ?? (kept.has(data.id) ? data.id : crypto.randomUUID());
            const before = kept.get(key);
            const { meta, groups: _, ...own } = { ...JSON.parse(JSON.stringify(data)), id: key };
            const unchanged = before && JSON.stringify({ ...before, meta: null }) === JSON.stringify({ ...own, meta: null });
            const created = before?.meta.created ?? now;
            const lastModified = unchanged ? before.meta.lastModified : now;
            kept.set(key, { ...own, meta: { created, lastModified } });
            return shown(kept.get(key));
        })
        .egress(resource => {
            if (resource.id && !kept.has(resource.id)) throw lost(resource.id);
            if (resource.id) return shown(kept.get(resource.id));
            const all = [...kept.values()].map(shown);
            return resource.filter ? resource.filter.match(all) : all;
        })
        .degress(({ id }) => {
            if (!kept.delete(id)) throw lost(id);
        });
}

const app = express();
app.use("/scim", new SCIMMYRouters({
    type: "bearer",
    baseUri: () => "http://127.0.0.1:8790",
    handler: request => {
        if (request.header("Authorization") !== "Bearer a-token-of-tests") throw new Error("No such token");
        return "";
    },
}));
app.listen(8790, "127.0.0.1");
