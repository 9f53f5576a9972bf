package mutation_test

// builtin are the compiled-in servers: where a browser and a shell may reach, and what a
// person is asked before something happens.
func builtin() []mutation {
	const guard, rules, chrome = "internal/servers/puppeteer/guard/guard.go", "internal/servers/puppeteer/guard/rules.go", "internal/servers/puppeteer/chrome/chrome.go"
	return append([]mutation{
		{name: "browser-inside", file: rules, test: "TestTable", edits: one("\tif !egress.Public(a) {\n", "\tif !egress.Public(a) && false {\n")},
		{name: "browser-one-good-answer", file: guard, test: "TestTable", edits: one("\tfor _, a := range addrs {\n\t\tif err := g.permits(", "\tfor _, a := range addrs[:1] {\n\t\tif err := g.permits(")},
		{name: "browser-socket-unchecked", file: rules, test: "TestTable", edits: one("\t\treturn g.permits(host, to.Addr(), to.Port())\n", "\t\t_ = to\n\t\treturn nil\n")},
		{name: "browser-number", file: rules, test: "TestForms", edits: one("\tcase numeric(host):\n", "\tcase numeric(host) && len(host) > 999:\n")},
		{name: "browser-opens-files", file: guard, test: "TestForms", edits: one(`case u.Scheme != "http" && u.Scheme != "https":`, `case u.Scheme == "":`)},
		{name: "browser-any-port", file: rules, test: "TestForms", edits: one("port != 443 && port < 1024", "port != 443 && port < 1")},
		{name: "browser-into-us", file: rules, test: "TestForms", edits: one("\tcase g.itself(a, port, machine):\n", "\tcase g.itself(a, port, machine) && port == 0:\n")},
		{name: "browser-metadata", file: rules, test: "TestAllow", edits: one("\tcase egress.Metadata(a):\n", "\tcase egress.Metadata(a) && port == 0:\n")},
		{name: "opened-for-all", file: rules, test: "TestAllow", edits: one(`o.host != "" && o.host == host ||`, `o.host != "" ||`)},
		{name: "browser-looks-twice", file: guard, test: "TestRebinding", edits: one("\tctx, cancel := context.WithTimeout(ctx, dialTime)\n", "\tif addrs, err = g.lookUp(ctx, host); err != nil {\n\t\treturn nil, err\n\t}\n\tctx, cancel := context.WithTimeout(ctx, dialTime)\n")},
		{name: "past-the-proxy", file: chrome, target: "internal/servers/puppeteer", test: "TestNothingGoesPastTheProxy", edits: one(`"--proxy-bypass-list=<-loopback>", `, ``)},
		{name: "calls-past-the-proxy", file: chrome, target: "internal/servers/puppeteer", test: "TestNothingGoesPastTheProxy",
			edits: one(`		"--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--webrtc-ip-handling-policy=disable_non_proxied_udp",`, ``)},
	}, append(shell(), approvals()...)...)
}

// shell is the ssh server's (T20).
func shell() []mutation {
	const keys, dial, judge, run = "internal/servers/ssh/hosts/keys.go", "internal/servers/ssh/link/dial.go", "internal/servers/ssh/command/judge.go", "internal/servers/ssh/remote/run.go"
	return []mutation{
		{name: "any-name-is-a-host", file: "internal/servers/ssh/hosts/hosts.go", test: "TestFind_T20_hostileNames", edits: one("slices.BinarySearch(b.names, name); !named {", "slices.BinarySearch(b.names, name); !named && name == \"\" {")},
		{name: "unknown-host-key", file: keys, test: "TestVerifier", edits: one("\tcase err == nil:\n", "\tcase err == nil || knownhosts.IsHostUnknown(err):\n")},
		{name: "any-pin", file: keys, test: "TestVerifier", edits: one("if slices.Contains(h.Pins, ssh.FingerprintSHA256(key)) {", "if slices.Contains(h.Pins, ssh.FingerprintSHA256(key)) || len(h.Pins) > 0 {")},
		{name: "key-checked-late", file: dial, test: "TestConnect_T20_wrongHostKey", edits: one("\t\t\treturn refused\n", "\t\t\treturn nil\n")},
		{name: "agent-forwarded", file: "internal/servers/ssh/link/link.go", test: "TestConnect_throughTwoHosts",
			edits: one("\t\ts, err := c.client.NewSession()\n", "\t\ts, err := c.client.NewSession()\n\t\tif err == nil {\n\t\t\t_, err = s.SendRequest(\"auth-agent-req@openssh.com\", true, nil)\n\t\t}\n")},
		{name: "quote-ends-early", file: "internal/servers/ssh/command/command.go", test: "TestQuote", edits: one("return \"'\" + strings.ReplaceAll(s, \"'\", `'\\''`) + \"'\", nil", "return \"'\" + s + \"'\", nil")},
		{name: "unquoted-space", file: "internal/servers/ssh/command/command.go", test: "TestQuote_realShell", edits: one(`"_@%+=:,./-"`, `"_@%+=:,./- "`)},
		{name: "writing-reads", file: judge, test: "TestJudge_attacks", edits: one("case len(s.Writes) > 0 || s.altered", "case s.altered")},
		{name: "any-option-reads", file: judge, test: "TestJudgeArguments_attacks", edits: one("rule.shell || !readsOnly(s) {", "rule.shell {")},
		{name: "allowed-with-variables", file: judge, test: "TestJudge_allowedAsTheyAre", edits: one("case len(r.Allow) > 0 && s.altered:", "case len(r.Allow) > 9999 && s.altered:")},
		{name: "may-be-denied", file: judge, test: "TestJudge_rules", edits: one("\t\tcase maybe:\n", "\t\tcase maybe + 9:\n")},
		{name: "code-unseen", file: judge, test: "TestJudge_refused", edits: one("\tcase s.Unseen && !named:\n", "\tcase s.Unseen && !named && len(r.Allow) > 0:\n")},
		{name: "sudo-unasked", file: run, test: "TestRun_sudo", edits: one("io.WriteString(l.stdin, l.cmd.Stdin)", "io.WriteString(l.stdin, l.password.Reveal()+l.cmd.Stdin)")},
		{name: "sudo-in-output", file: run, test: "TestRun_sudo", edits: one("output.NewMask(r.out, hidden)", "output.NewMask(r.out, secret.String{})")},
		{name: "left-running", file: "internal/servers/ssh/remote/end.go", test: "TestRun_cancel", edits: one("if group > 1 && !r.cmd.ends {", "if group > 1<<40 && !r.cmd.ends {")},
	}
}

// approvals are what the kit asks a person, and what it marks as said by strangers.
func approvals() []mutation {
	const kit, desk, form = "internal/servers/kit", "internal/servers/kit/approval/approval.go", "internal/servers/kit/approval/form.go"
	const ask, untrusted = "internal/servers/kit/approval/ask.go", "internal/servers/kit/output/untrusted.go"
	return []mutation{
		{name: "runs-unasked", file: kit + "/confirm.go", test: "TestConfirm_throughTheGateway", edits: one("return t.tier == settings.Destroy && ", "return t.tier < settings.Read && ")},
		{name: "asks-itself", file: ask, target: kit, test: "TestConfirm_clients", edits: one("if req.Caller != nil && req.Caller.CanAnswer(", "if req.Caller == nil || req.Caller.CanAnswer(")},
		{name: "any-answer", file: form, target: kit, test: "TestConfirm_message", edits: one("\treturn yes\n", "\treturn yes || true\n")},
		{name: "other-arguments", file: desk, test: "TestDesk_sameArguments", edits: one(" || !bytes.Equal(t.Digest, digest(a.Args)):", ":")},
		{name: "approval-of-another", file: desk, target: kit, test: "TestConfirm_binding", edits: one("case t.Owner != a.Owner || ", "case ")},
		{name: "approved-twice", file: desk, target: kit, test: "TestConfirm_race", edits: one("\td.spent[t.ID] = ", "\td.spent[t.ID+rand.Text()] = ")},
		{name: "approved-for-ever", file: desk, target: kit, test: "TestConfirm_expires", edits: one("\tcase d.now().Unix() > t.Expires:\n", "\tcase d.now().Unix() > t.Expires<<1:\n")},
		{name: "other-than-shown", file: desk, target: kit, test: "TestConfirm_shown", edits: one("\tif !bytes.Equal(t.Shown, a.Shown) {\n", "\tif !bytes.Equal(t.Shown, a.Shown) && len(t.Shown) == 0 {\n")},
		{name: "shown-in-part", file: ask, target: kit, test: "TestConfirm_allOfItIsShown", edits: one("if !f.Fits() {", "if !f.Fits() && len(a.Args) == 0 {")},
		{name: "moved-letters", file: form, target: kit, test: "TestConfirm_message", edits: one("if unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) {", "if unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r) {")},
		{name: "strangers-unmarked", file: untrusted, target: kit, test: "TestUntrusted", edits: one("v.SetString(m.Wrap(v.String()))", "m.Wrap(v.String())")},
		{name: "same-marks", file: untrusted, target: kit, test: "TestUntrusted", edits: one("strings.ToLower(rand.Text()[:nonceLength])", "strings.ToLower((rand.Text() + \"aaaaaaaaaa\")[26:])")},
	}
}
