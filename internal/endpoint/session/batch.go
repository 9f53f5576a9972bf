package session

import (
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// MaxBatch bounds the messages of a batch, which revisions before 2025-06-18 allow.
const MaxBatch = 100

// NoBatches tells a revision in which every message is sent by itself. Before
// initialize nobody knows; then it is false.
func NoBatches(rev mcpwire.Revision) bool { return rev >= mcpwire.Rev20250618 }

// SplitBatch takes a checked array of messages apart.
func SplitBatch(body []byte) ([]mcpwire.Message, *mcpwire.Error) {
	var msgs []mcpwire.Message
	for span := range jsonscan.Elements(body) {
		if len(msgs) == MaxBatch {
			return nil, errBatchSize
		}
		msg, err := mcpwire.ParseChecked(span.Of(body))
		if err != nil {
			return nil, err
		}
		msgs = append(msgs, msg)
	}
	if len(msgs) == 0 {
		return nil, errBatchSize
	}
	return msgs, nil
}

var errBatchSize = mcpwire.Errorf(mcpwire.CodeInvalidRequest, "A batch holds 1 to %d messages. Send another number of them, or each by itself.", MaxBatch)
