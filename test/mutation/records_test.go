package mutation_test

// records are what is kept, who may change it, and what is written down of it.
func records() []mutation {
	const sign, record = "internal/audit/sign.go", "internal/gateway/record.go"
	return []mutation{
		{name: "desk-for-all", file: "internal/admin/desk/desk.go", target: "internal/admin", test: "TestAPI_onlyAdmins", edits: one("if !ok || p.Role != account.RoleAdmin {", "if !ok {")},
		{name: "no-commands", file: "internal/admin/operation.go", test: "TestAPI_addsNoCommands", edits: one("\tif len(issues) == 0 {\n", "\tif len(issues) >= 0 {\n")},
		{name: "loose-bodies", file: "internal/admin/operation.go", test: "TestAPI_strictBodies", edits: one("if len(list) > 1 {", "if len(list) > 9 {")},
		{name: "foreign-forms", file: "internal/admin/pages/form.go", test: "TestPages_foreignForms", edits: one("auth.CheckForm(r)", "error(nil)")},
		{name: "last-admin", file: "internal/store/users.go", test: "TestUsers_lastAdminStays", edits: one("if err == nil && others == 0 {", "if err == nil && others < 0 {")},
		{name: "key-kept", file: "internal/store/keys.go", test: "TestStore_sealsAndHashes", edits: one("Name:     request.Name,", "Name:     request.Name + value.Reveal(),")},
		{name: "seal-unbound", file: "internal/secret/ring.go", test: "TestRing", edits: []edit{{"return r.seal.Seal(out, nil, plain, at.bytes())", "return r.seal.Seal(out, nil, plain, nil)"}, {"key.Open(nil, nil, sealed[1+idSize:], at.bytes())", "key.Open(nil, nil, sealed[1+idSize:], nil)"}}},
		{name: "key-file-for-all", file: "internal/secret/ring.go", test: "TestLoadRing_refuses", edits: one("mode&0o077 != 0 {", "mode&0o077 == 0o1000 {")},
		{name: "database-for-all", file: "internal/store/sqlite.go", test: "TestOpen_privateFiles", edits: one("os.OpenFile(e.path, os.O_RDWR|os.O_CREATE, 0o600)", "os.OpenFile(e.path, os.O_RDWR|os.O_CREATE, 0o644)")},
		{name: "begins-anew", file: "internal/store/installation.go", test: "TestOpen_refusesWhenDatabaseIsMissing", edits: one("\t\t\treturn marker{strings.TrimSpace(id)}, nil\n\t\t}\n\t}\n\t// Cut or empty: it still proves that there was a first start.\n\treturn marker{\"?\"}, nil", "\t\t\treturn marker{}, nil\n\t\t}\n\t}\n\treturn marker{}, nil")},
		{name: "secret-printed", file: "internal/secret/secret.go", test: "TestString_showsOnlyItsMask", edits: one("func (s String) GoString() string             { return Mask }", "func (s String) GoString() string             { return s.v }")},
		{name: "destroys-unrecorded", file: record, test: "TestAudit_destructiveCallsNeedTheirRowFirst", edits: one("if n.intent, err = g.deps.Recorder.Intent(ctx, n.record); err != nil {", "if n.intent, err = g.deps.Recorder.Intent(ctx, n.record); err != nil && false {")},
		{name: "refusal-unrecorded", file: record, test: "TestAudit_refusedCallsAreRecorded", edits: one("\tr.Decision, r.Outcome = account.Denied, account.Failed\n\tg.deps.Recorder.Call(r)\n", "\tr.Decision, r.Outcome = account.Denied, account.Failed\n")},
		{name: "user-unsigned", file: sign, test: "TestVerify", edits: one("[...]string{r.User, r.Credential,", "[...]string{r.Credential, r.Credential,")},
		{name: "altered-unnoticed", file: "internal/audit/verify.go", target: "internal/gatewaytest", test: "TestT22_auditLog", edits: one("case v.sign.row(c.hash, r.Seq, &r.Record) != r.Hash:", "case v.sign.row(c.hash, r.Seq, &r.Record) != r.Hash && false:")},
		{name: "secret-in-audit", file: "internal/oauth/token/token.go", test: "TestT21_secrets", edits: one("Target: q.grant, Decision", "Target: q.params.Get(\"code\"), Decision")},
	}
}
