// The audit chain through the front door: what is written down, and what is found when somebody
// changes it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { cli } from "./lib/cli.mjs";
import { Replicas } from "./lib/replicas.mjs";
import {
    Mock,
    agent,
    budget,
    prices,
    provider,
    route,
    setting,
    testTls,
    until
} from "./lib/setup.mjs";

const entries = async (weir) => (await weir.api("/audit?limit=1000")).items;
const found = (items, action, outcome) =>
    items.filter((e) => e.action === action && (!outcome || e.outcome === outcome));

test(
    "every change over the API is written down before and after it, with who did it, and without secrets",
    async (t) => {
        const {weir} = await setting(t, {budgets : budget("calls", "{requests: 3}")});
        const weirCli = cli(weir);
        for (const args
                 of [[ "budget", "raise", "calls", "--by", "2", "--until", "12h" ],
                     [ "budget", "reset", "calls" ], [ "keys", "create", "tester", "--id", "k1" ],
                     [ "keys", "revoke", "k1" ]]) {
            const r = await weirCli(...args);
            assert.equal(r.code, 0, args.join(" ") + r.err);
        }
        assert.equal(
            (await weirCli("budget", "raise", "nothing", "--by", "1", "--until", "1h")).code, 4);
        const manifest = path.join(weir.dir, "more.yaml");
        fs.writeFileSync(manifest, budget("more", "{requests: 7}"));
        assert.equal((await weirCli("apply", "-f", manifest)).code, 0);
        assert.equal((await weirCli("apply", "-f", manifest, "--dry-run")).code, 0);
        assert.equal((await weirCli("delete", "budget", "more")).code, 0);
        const login = (await weirCli("login")).out.match(/login=([^\s]+)/)[1];
        const session = await fetch(
            `http://127.0.0.1:${weir.apiPort}/api/v1/session`,
            {method : "POST", headers : {"x-weir-request" : "1"}, body : JSON.stringify({login})});
        assert.equal(session.status, 200);
        const wrong = await fetch(`http://127.0.0.1:${weir.apiPort}/api/v1/session`, {
            method : "POST",
            headers : {"x-weir-request" : "1"},
            body : JSON.stringify({token : "no"})
        });
        assert.equal(wrong.status, 401);

        const items = await until(async () => {
            const all = await entries(weir);
            if (found(all, "policy.taken").length < 3)
                throw new Error("the policy is not taken yet");
            return all;
        }, "the entries");
        const raise = found(items, "budget.raise");
        assert.deepEqual(raise.map((e) => [e.actor, e.from, e.object, e.outcome]), [
            [ "admin", "127.0.0.1", "default/calls", "asked" ],
            [ "admin", "127.0.0.1", "default/calls", "done" ],
            [ "admin", "127.0.0.1", "default/nothing", "asked" ],
            [ "admin", "127.0.0.1", "default/nothing", "refused" ]
        ]);
        assert.equal(raise[0].detail.by, "2");
        assert.equal(raise[1].of, raise[0].seq);
        assert.equal(raise[3].detail.code, "not_found");
        assert.equal(found(items, "budget.reset", "done").length, 1);
        assert.deepEqual(found(items, "key.create", "done").map((e) => e.object), [ "default/k1" ]);
        assert.deepEqual(found(items, "key.revoke", "done").map((e) => e.object), [ "default/k1" ]);
        const [applied] = found(items, "policy.apply", "done");
        assert.deepEqual([ applied.detail.changes[0].action, applied.detail.changes[0].name ],
                         [ "created", "more" ]);
        assert.match(applied.detail.changes[0].after, /^[0-9a-f]{64}$/);
        assert.equal(found(items, "policy.apply").length, 2, "a dry run changes nothing");
        assert.equal(found(items, "policy.delete", "done")[0].detail.changes[0].action, "deleted");
        const taken = found(items, "policy.taken");
        assert.equal(taken[1].before, taken[0].after);
        assert.equal(taken[2].after, taken[0].after,
                     "deleting what was added gives the first revision again");
        assert.equal(found(items, "login.create", "done").length, 1);
        assert.equal(found(items, "session.start", "done").length, 1,
                     "what was refused signed nobody in");
        const text = JSON.stringify(items);
        for (const secret of [weir.token, login, "weir_sk_"])
            assert.ok(!text.includes(secret));
        assert.match((await weirCli("audit", "list")).out, /budget\.raise +default\/calls +done/);
    });

test("an export is verified without a control plane, by weir and by anyone with SHA-256",
     async (t) => {
         const {weir} = await setting(t, {budgets : budget("calls", "{requests: 3}")});
         const weirCli = cli(weir), file = path.join(weir.dir, "audit.jsonl");
         for (let i = 0; i < 4; i++)
             assert.equal((await weirCli("budget", "reset", "calls")).code, 0);
         const {out} = await weirCli("audit", "export");
         fs.writeFileSync(file, out);
         const live = await weirCli("audit", "verify");
         assert.equal(live.code, 0, live.err);
         const head = live.out.match(/^head (\d+:[0-9a-f]{64})$/m)[1];
         const lines = out.trim().split("\n");
         let prev = "0".repeat(64);
         for (const line of lines) {
             const e = JSON.parse(line);
             assert.equal(e.prev, prev);
             prev = createHash("sha256")
                        .update(line.replace(/,"hash":"[0-9a-f]{64}"}$/, "}"))
                        .digest("hex");
             assert.equal(e.hash, prev);
         }
         assert.equal(head, `${lines.length}:${prev}`);
         assert.ok(weir.control.output.includes(head), "the log anchors each entry");
         await weir.control.stop();
         const verify = async (text, ...flags) => {
             fs.writeFileSync(file, text);
             return weirCli("audit", "verify", file, ...flags);
         };
         assert.equal((await verify(out, "--head", head)).code, 0);
         const line =
             (i, f) => [...lines.slice(0, i), f(lines[i]), ...lines.slice(i + 1)].join("\n") + "\n";
         for (const [text, says, flags = []] of [
                  [ line(2, (l) => l.replace("admin", "nobody")), /entry 3 was changed/],
                  [ lines.toSpliced(3, 1).join("\n"), /entry 4 is missing/],
                  [ lines.toSpliced(1, 2).join("\n"), /entries 2 to 3 are missing/],
                  [
                      [ lines[0], lines[2], lines[1], ...lines.slice(3) ].join("\n"),
                      /entry 2 is missing/
                  ],
                  [
                      lines.slice(0, -2).join("\n"),
                      /ends with entry \d+: entries up to \d+ were cut off/, [ "--head", head ]
                  ],
                  [
                      out, /entry 2 is another than the one that was written down/,
                      [ "--head", `2:${"0".repeat(64)}` ]
                  ],
                  [ "nonsense\n", /line 1.*is no entry/],
                  [ out + "x".repeat(200_000), /is no entry/],
                  [ line(1, (l) => l.slice(0, -1)), /line 2, after entry 1, is no entry/],
         ]) {
             const r = await verify(text, ...flags);
             assert.equal(r.code, 1, r.out);
             assert.match(r.err, says);
         }
         assert.equal((await verify(lines.slice(0, -2).join("\n"))).code, 0,
                      "without a head what is cut off can't be seen");
         assert.match((await verify(lines.slice(2).join("\n"))).out, /entries 3 to/);
         assert.equal((await weirCli("audit", "verify", `${file}.not`)).code, 4);
         assert.equal((await weirCli("audit", "verify", file, "--head", "7")).code, 2);
     });

test("a row that was changed in the database is named, and the chain goes on", async (t) => {
    const {weir} = await setting(t, {budgets : budget("calls", "{requests: 3}")});
    const weirCli = cli(weir);
    for (let i = 0; i < 3; i++)
        await weirCli("budget", "reset", "calls");
    const db = new DatabaseSync(path.join(weir.controlState, "audit.db"));
    const {entry} = db.prepare("SELECT entry FROM audit WHERE seq = 3").get();
    db.prepare("UPDATE audit SET entry = ? WHERE seq = 3").run(entry.replace("admin", "other"));
    const bad = await weirCli("audit", "verify");
    assert.equal(bad.code, 1);
    assert.match(bad.err, /entry 3 was changed/);
    db.prepare("UPDATE audit SET entry = ? WHERE seq = 3").run(entry);
    assert.equal((await weirCli("audit", "verify")).code, 0);
    db.prepare("DELETE FROM audit WHERE seq = 1").run();
    assert.match((await weirCli("audit", "verify")).err, /entries 1 to 1 are missing/);
    db.close();
});

test("without the audit nothing is changed", async (t) => {
    const {weir} = await setting(t, {budgets : budget("calls", "{requests: 3}")});
    const db = new DatabaseSync(path.join(weir.controlState, "audit.db"));
    db.exec("ALTER TABLE audit RENAME TO gone");
    const r = await cli(weir)("keys", "create", "tester", "--id", "k1");
    assert.equal(r.code, 1);
    assert.match(r.err, /audit log can't be written/);
    db.exec("ALTER TABLE gone RENAME TO audit");
    db.close();
    assert.deepEqual((await weir.api("/keys")).items, []);
});

test("three replicas on one PostgreSQL write one chain without a fork; a tampered row is found",
     async (t) => {
         const files = testTls();
         const mock = await new Mock({tls : files.options}).start();
         t.after(() => mock.stop());
         const policy = prices + agent("tester") +
                        provider("oa", "openai", mock.url, {caFile : files.caFile}) +
                        route("all", [ [ "oa" ] ]) + budget("calls", "{requests: 3}");
         const replicas = await Replicas.start(t, {policy, proxies : 1});
         const weirs = replicas.controls.map((c) => c.weir), post = {method : "POST", body : "{}"};
         await Promise.all(weirs.flatMap(
             (w) => Array.from({length : 15}, () => w.api("/budgets/default/calls/reset", post))));
         const items = await entries(weirs[1]);
         assert.equal(found(items, "budget.reset", "done").length, 45);
         assert.deepEqual(items.map((e) => e.seq), items.map((_, i) => i + 1));
         assert.equal(found(items, "policy.taken").length, 1, "all replicas took the same policy");
         assert.deepEqual(found(items, "proxy.enrol").map((e) => [e.object, e.actor]),
                          [ [ "default/proxy0", "join token" ] ]);
         for (const w of weirs)
             assert.equal((await cli(w)("audit", "verify")).code, 0);
         execFileSync("psql", [
             "-q", replicas.pg.dsn, "-c",
             "UPDATE audit SET entry = replace(entry, 'admin', 'nobody') WHERE seq = 9"
         ]);
         const bad = await cli(weirs[2])("audit", "verify");
         assert.equal(bad.code, 1);
         assert.match(bad.err, /entry 9 was changed/);
     });
