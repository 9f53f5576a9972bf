package mcpwire

import "drawbridge/internal/jsonscan"

// spans remembers where the members stand in Params that AppendParams changes.
type spans struct {
	target        jsonscan.Span // value of name, uri, taskId, or of ref's name or uri
	cursor        jsonscan.Member
	meta          jsonscan.Member
	retryState    jsonscan.Member
	inputs        jsonscan.Member // inputResponses
	progressToken jsonscan.Span   // within Params
	traceparent   jsonscan.Span
}
