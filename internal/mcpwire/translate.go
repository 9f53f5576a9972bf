package mcpwire

import (
	"errors"
	"io"

	"drawbridge/internal/jsonscan"
)

// maxFiltered bounds a streamed result that has to be held to be filtered for an
// old client.
const maxFiltered = 64 << 20

// ForClient turns the outcome of a request into the shape of the client's
// revision. It opens a result only where the two revisions differ in it; in all
// other cases the bytes stay as they are. Lists are not its business: the
// gateway renders them per revision.
func ForClient(client Revision, method string, o *Outcome) {
	switch o.Kind {
	case Failed:
		o.Err = errorFor(client, o.Err)
	case Complete:
		if o.Revision == client {
			return
		}
		if client.Modern() {
			toModern(method, o)
			return
		}
		toLegacy(client, method, o)
	}
}

// errorFor gives an error the code that the client's revision defines for it.
func errorFor(client Revision, e *Error) *Error {
	switch {
	case client.Modern() && e.Code == CodeResourceNotFound:
		return recode(e, CodeInvalidParams)
	case client.Modern() && e.Code == CodeURLElicitationNeeds:
		return recode(e, CodeInternal) // 2026-07-28 asks otherwise and does not define it
	case !client.Modern() && e.Code == CodeMissingCapability:
		// The modern codes must stay out of a legacy body: a client that knows
		// them would take the server for a modern one.
		return recode(e, CodeInternal)
	}
	return e
}

func recode(e *Error, code int) *Error {
	return &Error{Code: code, Message: e.Message, Data: e.Data}
}

// toModern adds what every 2026-07-28 result must carry.
func toModern(method string, o *Outcome) {
	add := `"resultType":"complete"`
	if method == MethodResourcesRead {
		// Whether a resource depends on the user is not known of a legacy
		// backend; nothing may be cached beyond the caller.
		add += `,"ttlMs":0,"cacheScope":"private"`
	}
	old := o.Result.Bytes
	if o.Result.Rest == nil {
		old = Without(old, "resultType", "ttlMs", "cacheScope")
	}
	out := make([]byte, 0, len(old)+len(add)+2)
	out = append(append(out, '{'), add...)
	rest := old[open(old):]
	if o.Result.Rest != nil || first(rest) != '}' {
		out = append(out, ',')
	}
	out = append(out, rest...)
	if o.Result.Most > 0 {
		o.Result.Most += int64(len(out) - len(old))
	}
	swap(o, out)
	o.Revision = LatestModern
}

// open is the offset behind the opening brace.
func open(obj []byte) int {
	for i, c := range obj {
		if c == '{' {
			return i + 1
		}
	}
	return 0
}

// swap replaces the bytes of a result and frees the old ones.
func swap(o *Outcome, b []byte) {
	if free := o.Result.Free; free != nil {
		free()
	}
	o.Result.Bytes, o.Result.Free = b, nil
}

// toLegacy takes out of a result what the client's revision does not define.
func toLegacy(client Revision, method string, o *Outcome) {
	if !differs(client, o.Revision, method) {
		return
	}
	if o.Result.Rest != nil && client >= Rev20250618 && !o.FreeOutput {
		return // only structured content could differ, and this tool's is an object
	}
	if err := hold(o); err != nil {
		e := Errorf(CodeInternal, "The answer is too large to be rewritten for a %s client. Connect with a newer client.", client)
		o.Close()
		*o = Fail(e)
		return
	}
	result := o.Result.Bytes
	switch method {
	case MethodToolsCall:
		result = toolResultFor(client, result)
	case MethodPromptsGet:
		result = promptFor(client, result)
	}
	if len(result) != len(o.Result.Bytes) || &result[0] != &o.Result.Bytes[0] {
		swap(o, result)
	}
}

// differs tells whether results of a method can hold what the client lacks.
func differs(client, backend Revision, method string) bool {
	switch method {
	case MethodToolsCall:
		return client < Rev20250618 || backend.Modern()
	case MethodPromptsGet:
		return client < Rev20250618
	}
	return false
}

// hold reads the rest of a streamed result.
func hold(o *Outcome) error {
	if o.Result.Rest == nil {
		return nil
	}
	rest, err := io.ReadAll(io.LimitReader(o.Result.Rest, maxFiltered+1))
	if err != nil {
		return err
	}
	if len(rest) > maxFiltered {
		return errors.New("result too large to filter")
	}
	whole := append(append(make([]byte, 0, len(o.Result.Bytes)+len(rest)), o.Result.Bytes...), rest...)
	err = o.Result.Rest.Close()
	o.Result.Rest = nil
	swap(o, whole)
	return err
}

// toolResultFor filters content blocks, and structuredContent that is not an
// object, which no legacy revision defines (protocol reference 2.3).
func toolResultFor(client Revision, result []byte) []byte {
	structured, has := jsonscan.Find(result, "structuredContent")
	drop := has && first(structured.Value.Of(result)) != '{'
	if !drop && client >= Rev20250618 {
		return result
	}
	content, hasContent := jsonscan.Find(result, "content")
	var blocks []byte
	if hasContent && first(content.Value.Of(result)) == '[' {
		blocks = blocksFor(client, content.Value.Of(result))
	}
	if drop {
		blocks = withText(blocks, structured.Value.Of(result))
	}
	if !drop && (blocks == nil || string(blocks) == string(content.Value.Of(result))) {
		return result
	}
	w := editor{src: result, dst: []byte{'{'}}
	for m := range jsonscan.Members(result) {
		switch {
		case drop && m.Whole == structured.Whole:
		case hasContent && m.Whole == content.Whole:
			w.comma()
			w.dst = append(append(w.dst, `"content":`...), blocks...)
		default:
			w.member(m.Whole)
		}
	}
	if !hasContent {
		w.comma()
		w.dst = append(append(w.dst, `"content":`...), blocks...)
	}
	return append(w.dst, '}')
}

// withText makes sure that a value dropped from structuredContent is there as a
// text block.
func withText(blocks, value []byte) []byte {
	if len(blocks) == 0 || first(blocks[1:]) == ']' {
		out := AppendString([]byte(`[{"type":"text","text":`), string(value))
		return append(out, '}', ']')
	}
	for span := range jsonscan.Elements(blocks) {
		if b := span.Of(blocks); blockType(b) == "text" {
			return blocks
		}
	}
	out := append([]byte{}, blocks[:len(blocks)-1]...)
	out = AppendString(append(out, `,{"type":"text","text":`...), string(value))
	return append(out, '}', ']')
}

// promptFor filters the content of a prompt's messages.
func promptFor(client Revision, result []byte) []byte {
	messages, ok := jsonscan.Find(result, "messages")
	if !ok || first(messages.Value.Of(result)) != '[' {
		return result
	}
	list := messages.Value.Of(result)
	out, changed := []byte{'['}, false
	for span := range jsonscan.Elements(list) {
		msg := span.Of(list)
		if len(out) > 1 {
			out = append(out, ',')
		}
		content, ok := jsonscan.Find(msg, "content")
		if !ok || first(content.Value.Of(msg)) != '{' {
			out = append(out, msg...)
			continue
		}
		block := blockFor(client, content.Value.Of(msg))
		changed = changed || string(block) != string(content.Value.Of(msg))
		out = append(out, msg[:content.Value.From]...)
		out = append(out, block...)
		out = append(out, msg[content.Value.To:]...)
	}
	if !changed {
		return result
	}
	whole := append([]byte{}, result[:messages.Value.From]...)
	whole = append(append(whole, out...), ']')
	return append(whole, result[messages.Value.To:]...)
}

// blocksFor filters an array of content blocks.
func blocksFor(client Revision, blocks []byte) []byte {
	out := []byte{'['}
	for span := range jsonscan.Elements(blocks) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, blockFor(client, span.Of(blocks))...)
	}
	return append(out, ']')
}

// blockFor replaces a content block that the client's revision does not define
// by a text that says what it was.
func blockFor(client Revision, block []byte) []byte {
	switch t := blockType(block); {
	case t == "resource_link" && client < Rev20250618:
		return textBlock(linkText(block))
	case t == "audio" && client < Rev20250326:
		kind, _ := TextMember(block, "mimeType")
		return textBlock("[audio content, " + kind + ": this client's protocol revision cannot carry it]")
	}
	return block
}

func linkText(block []byte) string {
	uri, _ := TextMember(block, "uri")
	name, _ := TextMember(block, "name")
	if name == "" {
		return uri
	}
	return name + ": " + uri
}

func textBlock(s string) []byte {
	return append(AppendString([]byte(`{"type":"text","text":`), s), '}')
}

func blockType(block []byte) string {
	t, _ := TextMember(block, "type")
	return t
}
