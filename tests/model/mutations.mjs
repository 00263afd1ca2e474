// Mistakes put into the product's own code, one at a time, and the programs that must notice: at least one of `by` has to fail with
// the mistake in place. `from` must occur once in the file, so that a mutation whose code has moved on is told, not passed over.
// The first five are those of the design: each breaks the bound by itself. mutate.mjs runs them.
const lease = "common/lease/lease.c";
const core = "controlplane/ledger/core.c", asks = "controlplane/ledger/asks.c";
const admit = "dataplane/budget/admit.c", leases = "dataplane/budget/leases.c", holder = "dataplane/budget/holder.c", counters = "dataplane/budget/counters.c";
const rules = "unit/weir_lease.test_lease", holding = "unit/weir_budget.test_holder", journal = "unit/weir_budget.test_journal_order";
const ledger = "unit/weir_ledger.test_ledger", taken = "unit/weir_ledger.test_core", cases = "model/model.budgets", simulation = "model/model.simulate";

export const mutations = [
  { name: "RECLAIM_WITHOUT_FINAL", what: "a hard budget's lease is taken back from a holder that is only silent", file: core,
    from: "if (!b || b->def.mode == WEIR_MODE_HARD || (h && h->conn) ||", to: "if (!b || (h && h->conn) ||", by: [taken] },
  { name: "RESUME_ROLLED_BACK", what: "a final report that knows less than an earlier one (a rolled-back journal) closes the lease", file: lease,
    from: "if (r->final && !rolled_back)", to: "if (r->final)", by: [rules, simulation] },
  { name: "SEND_BEFORE_DURABLE", what: "grants leave although their transaction has failed", file: core,
    from: "        c->out_first = c->out_last = NULL;\n        c->count.errors++;", to: "        c->count.errors++;", by: [taken] },
  { name: "REFUND_AFTER_CRASH", what: "holds that were open at a crash are given back", file: lease,
    from: "    l->settled += l->held;\n    l->held = 0;", to: "    l->held = 0;", by: [rules, cases] },
  { name: "RETURN_OPEN_HOLDS", what: "what is held is returned as idle", file: lease,
    from: "int64_t idle = l->final ? 0 : max64(weir_lease_free(l), 0);", to: "int64_t idle = l->final ? 0 : max64(weir_lease_free(l) + l->held, 0);", by: [rules, simulation] },

  { name: "HOLD_IGNORES_SETTLED", what: "what is spent of a lease can be held again", file: lease,
    from: "return l->granted - l->returned - l->settled - l->held;", to: "return l->granted - l->returned - l->held;", by: [rules, cases] },
  { name: "RETURN_COUNTED_TWICE", what: "a repeated return is subtracted again", file: lease,
    from: "row->returned = max64(row->returned, r->returned);", to: "row->returned += r->returned;", by: [rules, simulation] },
  { name: "LAST_WRITE_WINS", what: "an old report takes spending back", file: lease,
    from: "more = max64(r->settled - row->settled, 0);", to: "more = r->settled - row->settled;", by: [rules, simulation] },
  { name: "SETTLED_UP_TO_THE_HOLD", what: "what a provider bills past a hold is not counted", file: lease,
    from: "l->settled += actual;", to: "l->settled += actual < held ? actual : held;", by: [rules, cases] },
  { name: "GRANT_IGNORES_COMMITTED", what: "what is lent out counts as left", file: lease,
    from: "return w->limit - w->closed_settled - w->committed;", to: "return w->limit - w->closed_settled;", by: [rules, cases] },
  { name: "GRANTS_ADD_UP", what: "a repeated grant lends once more", file: lease,
    from: "l->granted = max64(l->granted, granted);", to: "l->granted += granted;", by: [rules, holding] },
  { name: "WRITTEN_OFF_HOLDS_ARE_FREE", what: "a lease that is written off charges only what was settled", file: lease,
    from: "    row->settled += row->held;\n", to: "", by: [rules, ledger] },
  { name: "LATE_SPENDING_IS_LOST", what: "what a holder spent after its lease was written off does not count", file: lease,
    from: "        row->settled += more;\n        w->closed_settled += more;\n        return WEIR_OK;", to: "        return WEIR_OK;", by: [rules, simulation] },
  { name: "PREFETCH_TAKES_ALL", what: "a share is not bounded by what is left", file: lease,
    from: "return min64(left, max64(max64(d->need, d->waiting), min64(d->want, share)));", to: "return max64(max64(d->need, d->waiting), min64(d->want, share));", by: [rules, cases] },

  { name: "REPEATED_ASK_LENDS_TWICE", what: "an ask that is played again is lent again", file: asks,
    from: "if (l.number && a->seq && (int64_t)a->seq <= l.asked) {", to: "if (l.number < 0 && a->seq && (int64_t)a->seq <= l.asked) {", by: [ledger, simulation] },
  { name: "DEBT_LENT_TWICE", what: "a debt that is told again is lent again", file: asks,
    from: "if (a->debt > 0 && (a->debt_id == 0 || weir__debts_lent(c, a) < a->debt_id))", to: "if (a->debt > 0)", by: [ledger] },
  { name: "ANY_NODE_REPORTS", what: "a node can report on another one's lease", file: core,
    from: "!weir__lease_by_number(c, number, h->conn->node, &l)) {", to: "!weir__lease_by_number(c, number, NULL, &l)) {", by: [taken] },
  { name: "LENT_TWICE_AT_THE_END", what: "a lease whose holder never lived to see it stays out when its start is over", file: core,
    from: "    write_off(c, r->node, r->incarnation, &l);\n}\n\nvoid weir__core_up(", to: "    (void)l;\n}\n\nvoid weir__core_up(", by: [ledger, simulation] },

  { name: "KEEPS_REFUSED_PART", what: "a refused call keeps what fitted of it", file: admit,
    from: "    while (i-- > 0)\n        restore(&a->holds[i], &was[i]);", to: "    i = 0;", by: [holding, simulation] },
  { name: "SETTLES_TWICE", what: "a call that is settled twice costs twice", file: admit,
    from: "    if (a->state != WEIR__ADM_HELD)\n        return;\n    a->state = WEIR__ADM_DONE;\n    for (unsigned i = 0; i < a->n; i++) {\n        int64_t amount", to: "    a->state = WEIR__ADM_DONE;\n    for (unsigned i = 0; i < a->n; i++) {\n        int64_t amount", by: [holding] },
  { name: "MOVE_LEAVES_FIRST", what: "a hold that moves leaves its old lease's journal before it is in the new one's", file: admit,
    from: "            weir__lease_changed(h, p->on);\n        } else\n            p->lease[0] = '\\0';\n        /* After the lease it moved to: a kill in between charges it twice, never not at all. */\n        if (was[i].on && was[i].on != p->on)\n            weir__lease_hold_ended(h, was[i].on);",
    to: "            if (was[i].on && was[i].on != p->on)\n                weir__lease_hold_ended(h, was[i].on);\n            weir__lease_changed(h, p->on);\n        } else\n            p->lease[0] = '\\0';", by: [journal] },
  { name: "MOVED_HOLD_IS_FREE", what: "a hold that moves to another lease need not fit there", file: admit,
    from: "if (p->ask > weir_lease_free(&c->cur->l) - (p->on == c->cur ? 0 : p->held))", to: "if (p->ask > weir_lease_free(&c->cur->l))", by: [holding, simulation] },
  { name: "REVIVES_FORGOTTEN", what: "a late grant brings back a lease that was closed and forgotten", file: leases,
    from: "    raise_floor(h, id);\n    weir__lease_forget(h, lease);", to: "    weir__lease_forget(h, lease);", by: [holding, simulation] },
  { name: "OLD_START_GOES_ON", what: "the leases of an earlier start are not ended", file: holder,
    from: "    weir_lease_finalise_crashed(&lease->l);\n", to: "", by: [holding, cases] },
  { name: "USE_BY_IS_IGNORED", what: "a lease is held on although the ledger has not been heard for too long", file: counters,
    from: " && now_ms - h->last_rx_ms < l->use_for_ms;", to: ";", by: [holding, cases] },
  { name: "WINDOW_END_IS_IGNORED", what: "a lease is held on after its window", file: counters,
    from: " && now_ms < l->window_end_ms &&", to: " &&", by: [holding] },
];
