package mutation_test

// outside are what comes in from clients' bodies and strangers' addresses, and what
// goes to backends.
func outside() []mutation {
	const check, egress, address, target = "internal/jsonscan/check.go", "internal/egress/egress.go", "internal/egress/address.go", "internal/egress/target.go"
	return []mutation{
		{name: "duplicate-key", file: check, test: "TestCheck_refuses", edits: one("c.repeated(c.keys.from(base)); again >= 0 {", "c.repeated(c.keys.from(base)); again >= 1<<30 {")},
		{name: "nul-in-key", file: check, test: "TestCheck_refuses", edits: one("if r == 0 && isKey {", "if r == 0 && isKey && i < 0 {")},
		{name: "something-behind", file: check, target: "internal/endpoint/streamable", test: "TestT11_ambiguous", edits: one("if i = space(c.b, i); i < len(c.b) {", "if i = space(c.b, i); i < 0 {")},
		{name: "nested-without-end", file: "internal/jsonscan/jsonscan.go", target: "internal/endpoint/streamable", test: "TestT9_limits", edits: one("const MaxDepth = 64", "const MaxDepth = 1 << 20")},
		{name: "folded-member", file: "internal/mcpwire/message.go", test: "TestParseClient_refusesAmbiguity", edits: one("\t\tif jsonscan.FoldIs(key, n) {\n", "\t\tif false && jsonscan.FoldIs(key, n) {\n")},
		{name: "body-unchecked", file: "internal/mcpwire/message.go", target: "internal/gatewaytest", test: "TestT11_badInput", edits: one("jsonscan.Check(", "jsonscan.Valid(")},
		{name: "header-differs", file: "internal/endpoint/streamable/modern.go", test: "TestEras", edits: one("if v := h[headerMethod]; len(v) != 1 || v[0] != req.Method {", "if v := h[headerMethod]; len(v) > 99 {")},
		{name: "special-networks", file: address, test: "TestTable", edits: one(" &&\n\t\t!slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })", "")},
		{name: "metadata-opened", file: "internal/egress/allow.go", test: "TestAllow_metadata", edits: one("\tif Metadata(a) {\n\t\treturn false\n", "\tif Metadata(a) && false {\n\t\treturn false\n")},
		{name: "address-in-address", file: address, test: "TestMetadata", edits: one(" || slices.Contains(metadata, embedded(a))", "")},
		{name: "one-good-answer", file: "internal/egress/dial.go", test: "TestRebinding", edits: one("\t\tif !c.permits(host, a, port) {\n", "\t\tif !c.permits(host, a, port) && len(addrs) == 1 && false {\n")},
		{name: "socket-unchecked", file: "internal/egress/dial.go", test: "TestControl", edits: one(`if to.Addr().Zone() != "" || !c.permits(`, `if to.Addr().Zone() != "" && !c.permits(`)},
		{name: "any-scheme", file: target, test: "TestTable_refused", edits: one(`case u.Scheme != "https":`, `case u.Scheme == "":`)},
		{name: "number-host", file: target, test: "TestTable_refused", edits: one("case numeric(host):", "case numeric(host) && len(host) > 999:")},
		{name: "local-name", file: target, test: "TestTable_refused", edits: one(`case !strings.Contains(host, ".") || `, `case len(host) > 999 && `)},
		{name: "endless-body", file: egress, test: "TestLimits", edits: one("b.left < 0 {\n\t\treturn 0, ErrTooLarge", "b.left < 0 {\n\t\treturn n, io.EOF")},
		{name: "environments-proxy", file: egress, test: "TestProxy", edits: one("Proxy:                  nil,", "Proxy:                  http.ProxyFromEnvironment,")},
		{name: "redirect-unasked", file: egress, test: "TestGet", edits: one("if c.redirects == 0 || !isRedirect", "if !isRedirect")},
		{name: "passed-on", file: "internal/endpoint/streamable/modern.go", target: "internal/gatewaytest", test: "TestKey_isNotPassedOn", edits: one("req.ParamHeaders = map[string]string{}", "req.ParamHeaders = map[string]string{\"Mcp-Param-Caller\": h.Get(\"Authorization\")}")},
		{name: "metadata-backend", file: "internal/backend/remote/address.go", test: "TestMetadataByName", edits: one("if egress.Metadata(at.Addr()) {", "if at.Port() == 0 && egress.Metadata(at.Addr()) {")},
		{name: "header-breaks-out", file: "internal/mcpheader/mcpheader.go", test: "TestEncode", edits: one("if s[i] < ' ' || s[i] > '~' {\n\t\t\treturn false", "if s[i] == 0 {\n\t\t\treturn false")},
		{name: "sent-again", file: "internal/backend/remote/rawhttp/client.go", target: "internal/backend/remote", test: "TestAtMostOnce", edits: one("!ok || e.Sent || e.Kind != Broken {", "!ok || e.Kind != Broken {")},
		{name: "whole-environment", file: "internal/backend/stdio/env.go", target: "internal/backend/stdio", test: "TestDial_environment", edits: one("\t\tif v, ok := lookup(name); ok {\n", "\t\tif v, ok := lookup(name); ok || true {\n")},
		{name: "stderr-with-secrets", file: "internal/backend/stdio/ring.go", test: "TestStderr_isKeptWithoutSecrets", edits: one("secret.NewRedactor(secrets...)", "secret.NewRedactor(secrets[:0]...)")},
		{name: "no-own-mark", file: "internal/backend/stdio/process.go", test: "TestClose_leavesNothing", edits: one("append(append([]string{}, cfg.Env...), p.cookie)", "append([]string{}, cfg.Env...)")},
	}
}
