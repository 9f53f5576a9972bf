package task

import (
	"slices"

	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// WrapResult puts wrap's ids in place of the task ids in the result of a request:
// in a handle of either kind, in what tasks/get, tasks/list and tasks/cancel tell,
// and where a result names the task it belongs to. A result without any comes back
// as it is, the same slice.
func WrapResult(method string, result []byte, wrap func(string) string) []byte {
	w := weaver{src: result, wrap: wrap}
	all := jsonscan.Span{To: len(result)}
	switch method {
	case mcpwire.MethodToolsCall:
		w.handle(all)
	case MethodGet, MethodCancel, MethodUpdate:
		w.task(all)
	case MethodList:
		w.each(all, "tasks", func(list jsonscan.Span) {
			for e := range jsonscan.Elements(list.Of(result)) {
				w.each(shift(e, list.From), "taskId", w.id)
			}
		})
		w.related(all)
	default:
		w.related(all)
	}
	return w.bytes()
}

// WrapNotification does the same for what a backend says of a task, or of anything
// that belongs to one.
func WrapNotification(n mcpwire.Notification, wrap func(string) string) mcpwire.Notification {
	if n.Method != MethodStatus && n.Method != MethodChanged {
		n.Params = WrapRelated(n.Params, wrap)
		return n
	}
	w := weaver{src: n.Params, wrap: wrap}
	w.task(jsonscan.Span{To: len(n.Params)})
	n.Params = w.bytes()
	return n
}

// WrapRelated does the same for the task that an object's _meta names: the params
// of a question, or, with a function that opens ids, an answer on its way back.
func WrapRelated(obj []byte, wrap func(string) string) []byte {
	w := weaver{src: obj, wrap: wrap}
	w.related(jsonscan.Span{To: len(obj)})
	return w.bytes()
}

// weaver finds task ids in an object and puts others in their places. Where a key
// stands twice, it takes both: which one a client reads is not ours to know.
type weaver struct {
	src  []byte
	wrap func(string) string
	cuts []cut
}

// cut is a string literal to replace.
type cut struct {
	at   jsonscan.Span
	text string
}

// handle marks the id of a task that was just made.
func (w *weaver) handle(obj jsonscan.Span) {
	switch kindOf(obj.Of(w.src)) {
	case legacy:
		w.each(obj, "task", func(task jsonscan.Span) { w.each(task, "taskId", w.id) })
	case extension:
		w.each(obj, "taskId", w.id)
	}
	w.related(obj)
}

// task marks the ids in an object that tells how a task is, with the result or
// the questions that the extension puts into it.
func (w *weaver) task(obj jsonscan.Span) {
	w.each(obj, "taskId", w.id)
	w.related(obj)
	w.each(obj, "result", w.related)
	w.each(obj, "inputRequests", func(all jsonscan.Span) {
		for m := range jsonscan.Members(all.Of(w.src)) {
			w.each(shift(m.Value, all.From), "params", w.related)
		}
	})
}

// related marks the id of the task that an object's _meta names.
func (w *weaver) related(obj jsonscan.Span) {
	w.each(obj, "_meta", func(meta jsonscan.Span) {
		w.each(meta, MetaRelated, func(related jsonscan.Span) { w.each(related, "taskId", w.id) })
	})
}

// each visits the members of an object that have a name.
func (w *weaver) each(obj jsonscan.Span, name string, visit func(jsonscan.Span)) {
	for m := range jsonscan.Members(obj.Of(w.src)) {
		if jsonscan.Is(m.Key, name) {
			visit(shift(m.Value, obj.From))
		}
	}
}

// id marks a task id. What is no string is none.
func (w *weaver) id(at jsonscan.Span) {
	if id, ok := jsonscan.Unquote(at.Of(w.src)); ok {
		w.cuts = append(w.cuts, cut{at, w.wrap(id)})
	}
}

// bytes is the object with the new ids.
func (w *weaver) bytes() []byte {
	if len(w.cuts) == 0 {
		return w.src
	}
	slices.SortFunc(w.cuts, func(a, b cut) int { return a.at.From - b.at.From })
	var out []byte
	from := 0
	for _, c := range w.cuts {
		out = append(out, w.src[from:c.at.From]...)
		out = mcpwire.AppendString(out, c.text)
		from = c.at.To
	}
	return append(out, w.src[from:]...)
}

func shift(s jsonscan.Span, by int) jsonscan.Span {
	return jsonscan.Span{From: s.From + by, To: s.To + by}
}

// withMember is a checked object with a member set, in place of what stands there
// under the name.
func withMember(obj []byte, name string, raw []byte) []byte {
	rest := mcpwire.Without(obj, name)
	out := append(mcpwire.AppendString([]byte{'{'}, name), ':')
	out = append(out, raw...)
	brace := slices.Index(rest, '{')
	for range jsonscan.Members(rest) {
		out = append(out, ',')
		break
	}
	return append(out, rest[brace+1:]...)
}
