package mutation_test

// inside are who may do what, once somebody is in.
func inside() []mutation {
	const rights, access, policy, dispatch = "internal/account/rights.go", "internal/account/access.go", "internal/gateway/policy.go", "internal/gateway/dispatch.go"
	const view, gateway, parked = "internal/gateway/catalogue/view.go", "internal/gateway", "internal/gateway/park/call.go"
	return []mutation{
		{name: "key-anywhere", file: "internal/auth/auth.go", test: "TestA21_networks", edits: one("case len(found.from) > 0 && ", "case len(found.from) > 99 && ")},
		{name: "revoked-key", file: "internal/store/keys.go", test: "TestKeys_revokedIsSeenAtOnce", edits: one("WHERE k.revoked = 0 AND u.disabled = FALSE", "WHERE u.disabled = FALSE")},
		{name: "disabled-users-key", file: "internal/store/keys.go", test: "TestUsers_shutOut", edits: one("WHERE k.revoked = 0 AND u.disabled = FALSE", "WHERE k.revoked = 0")},
		{name: "key-above-user", file: "internal/account/key.go", test: "TestRole_Cap", edits: one("if r == RoleAdmin && other == RoleAdmin {", "if r == RoleAdmin {")},
		{name: "key-shown-again", file: "internal/store/keys.go", target: "internal/gatewaytest", test: "TestA21_keys", edits: one("value.Reveal()[:len(secret.PrefixKey)+shownChars]", "value.Reveal()")},
		{name: "write-for-readers", file: rights, test: "TestRights", edits: one("\tcase TierWrite:\n\t\treturn r.Write\n", "\tcase TierWrite:\n\t\treturn true\n")},
		{name: "empty-is-all", file: rights, test: "TestRights", edits: one("return slices.Contains(list, name) || slices.Contains(list, Any)", "return len(list) == 0 || slices.Contains(list, name) || slices.Contains(list, Any)")},
		{name: "nil-is-all", file: access, test: "TestAccess_nilAllowsNothing", edits: one("func (a *Access) All() bool { return a != nil && a.all }", "func (a *Access) All() bool { return a == nil || a.all }")},
		{name: "deny-forgotten", file: rights, test: "TestProfile_Names", edits: one(" && !matchAny(p.Deny, name)", "")},
		{name: "hidden-tool", file: access, target: "internal/gateway", test: "TestT13_hiddenByEveryWay", edits: one("case !a.Backend(backend) || !a.named(backend, name):", "case !a.Backend(backend):")},
		{name: "hidden-prompt", file: view, target: gateway, test: "TestT13_hiddenByEveryWay", edits: one("seen = a.Prompt(name, it.Exposed)", "seen = true")},
		{name: "hidden-resource", file: dispatch, test: "TestT13_hiddenByEveryWay",
			edits: one("(security T13).\n\tif s, ok := c.Owner(req.Target); ok && v.Shows(s) {", "(security T13).\n\tif s, ok := c.Owner(req.Target); ok {")},
		{name: "hidden-completion", file: dispatch, test: "TestT13_hiddenByEveryWay", edits: one("if it, ok := c.ByName[catalogue.Templates][req.Target]; ok && v.Shows(it.Section) {", "if it, ok := c.ByName[catalogue.Templates][req.Target]; ok {")},
		{name: "hidden-subscription", file: "internal/gateway/hub.go", test: "TestT13_hiddenByEveryWay", edits: one("if !ok || !c.View(w.access).Shows(s) {", "if !ok {")},
		{name: "extension-for-readers", file: dispatch, test: "TestT13_extensionOfAReader", edits: one("accessOf(ctx).Tool(name, req.Method, account.TierWrite) {", "account.Granted {")},
		{name: "not-granted", file: dispatch, test: "TestTools_notGranted", edits: one("case account.NotGranted:\n\t\tg.deny(ctx, it.", "case account.NotGranted + 9:\n\t\tg.deny(ctx, it.")},
		{name: "own-word", file: view, target: gateway, test: "TestT17_annotationsDoNotRelax", edits: one("case hints.ReadOnly && m.Trusted:", "case hints.ReadOnly:")},
		{name: "same-name", file: "internal/gateway/catalogue/catalogue.go", target: gateway, test: "TestCollision_isRefusedWithWhatToSet", edits: one("\tif !taken {\n", "\tif !taken || k == Tools {\n")},
		{name: "calls-unbounded", file: policy, test: "TestCalls_atOnce", edits: one("case g.all > 0 && g.total >= g.all:", "case g.all > 0 && g.total > 99999:")},
		{name: "one-users-calls", file: policy, target: "internal/gatewaytest", test: "TestT9_callsAtOnce", edits: one("case g.each > 0 && g.byUser[user] >= g.each:", "case g.each > 0 && g.byUser[user] > 99999:")},
		{name: "foreign-state", file: "internal/gateway/seal/seal.go", target: gateway, test: "TestRequestState_isBoundToTheRequest", edits: one("case st.Owner != owner || ", "case ")},
		{name: "earlier-round", file: parked, test: "TestResume_thatCannotGoOnChangesNothing", edits: one("case p.answered || round != p.round:", "case p.answered:")},
		{name: "asked-undeclared", file: parked, test: "TestAsk_refused", edits: one(" || !p.caller.CanAnswer(q) {", " {")},
		{name: "parked-for-ever", file: parked, test: "TestExpiry", edits: one("time.AfterFunc(p.lot.cfg.TTL,", "time.AfterFunc(p.lot.cfg.TTL<<10,")},
		{name: "parked-unbounded", file: "internal/gateway/park/park.go", test: "TestLimits", edits: one(" || l.byUser[p.info.User] >= l.cfg.PerUser {", " {")},
		{name: "parked-after-revoke", file: "internal/gateway/park/park.go", target: "internal/gatewaytest", test: "TestA20_callsEnd", edits: one("if c.Guard != nil {", "if c.Guard != nil && c.Request == nil {")},
		{name: "runs-after-revoke", file: "internal/gateway/vigil/vigil.go", test: "TestRun_endsWithItsCredential", edits: one("fault.CodeOf(err) == fault.Unauthenticated {", "fault.CodeOf(err) == fault.Invalid {")},
		{name: "others-parked", file: "internal/status/status.go", test: "TestStatus_parkedCalls", edits: one("if p.Role == account.RoleAdmin {\n\t\treturn \"\"", "if p.Role != \"\" {\n\t\treturn \"\"")},
		{name: "foreign-task", file: "internal/gateway/task/ids.go", test: "TestIds_strangers", edits: one(`"drawbridge task id 1\x00" + owner`, `"drawbridge task id 1\x00" + owner[:0]`)},
		{name: "unwanted-task", file: "internal/gateway/task/task.go", test: "TestGuard", edits: one("k == plain || k == legacy && Asked(req)", "k == plain || k == legacy")},
		{name: "gone-is-told", file: dispatch, test: "TestStale_removedToolsAreToldToBe", edits: one("if gone != nil && gone.Granted(a, k) {", "if gone != nil {")},
		{name: "sent-after-cancel", file: "internal/gateway/fulfil/fulfil.go", test: "TestServe_callCutOff", edits: one("if ctx.Err() != nil { // nobody", "if false { // nobody")},
		{name: "foreign-session", file: "internal/endpoint/session/table.go", test: "TestTable_notFound", edits: one("if !s.Owned(p) || ", "if ")},
		{name: "session-lives-on", file: "internal/store/grants.go", target: "internal/gatewaytest", test: "TestT14_grants", edits: one(`"UPDATE grants SET revoked = $1 WHERE id = $2 AND revoked = 0"`, `"UPDATE grants SET last_used = $1 WHERE id = $2 AND revoked = 0"`)},
		{name: "long-uri", file: "internal/endpoint/session/watch.go", target: "internal/endpoint/streamable", test: "TestT9_longURI", edits: one("if len(uri) > maxURI {", "if len(uri) > maxURI<<20 {")},
		{name: "updates-for-all", file: "internal/gateway/hub.go", target: "internal/gatewaytest", test: "TestResourceUpdates_reachSubscribersOnly", edits: one("return owner != nil && owner.Name() == b", "return owner == nil || owner.Name() == b")},
		{name: "guessed-question", file: "internal/backend/question.go", target: "internal/backend/stdio", test: "TestQuestion_declinedWhileSeveralCallsRun", edits: one("return cause, n, n == 1 || n > 1 && one && client != \"\"", "return cause, n, n >= 1 || one && client != \"\"")},
		{name: "shared-session", file: "internal/backend/pool.go", test: "TestPool_eachPrincipalAndFingerprintHasItsOwnSession", edits: one("k := key{user: who.User, credential: who.Credential, profile: who.Profile}", "k := key{}")},
	}
}
