package mutation_test

// inside are who may do what, once somebody is in.
func inside() []mutation {
	const rights, access, policy, dispatch = "internal/account/rights.go", "internal/account/access.go", "internal/gateway/policy.go", "internal/gateway/dispatch.go"
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
		{name: "hidden-prompt", file: policy, test: "TestT13_hiddenByEveryWay", edits: one("seen = a.Prompt(name, it.exposed)", "seen = true")},
		{name: "hidden-resource", file: dispatch, test: "TestT13_hiddenByEveryWay",
			edits: one("(security T13).\n\tif s, ok := c.owner(req.Target); ok && v.shows(s) {", "(security T13).\n\tif s, ok := c.owner(req.Target); ok {")},
		{name: "hidden-completion", file: dispatch, test: "TestT13_hiddenByEveryWay", edits: one("if it, ok := c.byName[templates][req.Target]; ok && v.shows(it.section) {", "if it, ok := c.byName[templates][req.Target]; ok {")},
		{name: "hidden-subscription", file: "internal/gateway/hub.go", test: "TestT13_hiddenByEveryWay", edits: one("if !ok || !c.view(w.access).shows(s) {", "if !ok {")},
		{name: "extension-for-readers", file: dispatch, test: "TestT13_extensionOfAReader", edits: one("accessOf(ctx).Tool(name, req.Method, account.TierWrite) {", "account.Granted {")},
		{name: "not-granted", file: dispatch, test: "TestTools_notGranted", edits: one("case account.NotGranted:\n\t\tg.deny(ctx, it.section", "case account.NotGranted + 9:\n\t\tg.deny(ctx, it.section")},
		{name: "own-word", file: policy, test: "TestT17_annotationsDoNotRelax", edits: one("case hints.ReadOnly && m.Trusted:", "case hints.ReadOnly:")},
		{name: "same-name", file: "internal/gateway/catalogue.go", test: "TestCollision_isRefusedWithWhatToSet", edits: one("\tif !taken {\n", "\tif !taken || k == tools {\n")},
		{name: "calls-unbounded", file: policy, test: "TestCalls_atOnce", edits: one("case g.all > 0 && g.total >= g.all:", "case g.all > 0 && g.total > 99999:")},
		{name: "one-users-calls", file: policy, target: "internal/gatewaytest", test: "TestT9_callsAtOnce", edits: one("case g.each > 0 && g.byUser[user] >= g.each:", "case g.each > 0 && g.byUser[user] > 99999:")},
		{name: "foreign-state", file: "internal/gateway/seal.go", test: "TestRequestState_isBoundToTheRequest", edits: one("case st.Owner != owner || ", "case ")},
		{name: "foreign-session", file: "internal/endpoint/session/table.go", test: "TestTable_notFound", edits: one("if !s.Owned(p) || ", "if ")},
		{name: "session-lives-on", file: "internal/store/grants.go", target: "internal/gatewaytest", test: "TestT14_grants", edits: one(`"UPDATE grants SET revoked = $1 WHERE id = $2 AND revoked = 0"`, `"UPDATE grants SET last_used = $1 WHERE id = $2 AND revoked = 0"`)},
		{name: "long-uri", file: "internal/endpoint/session/watch.go", target: "internal/endpoint/streamable", test: "TestT9_longURI", edits: one("if len(uri) > maxURI {", "if len(uri) > maxURI<<20 {")},
		{name: "updates-for-all", file: "internal/gateway/hub.go", target: "internal/gatewaytest", test: "TestResourceUpdates_reachSubscribersOnly", edits: one("return owner != nil && owner.Name() == b", "return owner == nil || owner.Name() == b")},
		{name: "guessed-question", file: "internal/backend/question.go", target: "internal/backend/stdio", test: "TestQuestion_declinedWhileSeveralCallsRun", edits: one("return cause, n, n == 1 || n > 1 && one && client != \"\"", "return cause, n, n >= 1 || one && client != \"\"")},
		{name: "shared-session", file: "internal/backend/pool.go", test: "TestPool_eachPrincipalAndFingerprintHasItsOwnSession", edits: one("k := key{user: who.User, credential: who.Credential, profile: who.Profile}", "k := key{}")},
	}
}
