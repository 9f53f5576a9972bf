package output

import "encoding/json"

// Keeping is what a list says about how long it may be kept.
type Keeping struct {
	TTL   int    `json:"ttlMs"`
	Scope string `json:"cacheScope"`
}

// Lists change only with configuration, and a watcher hears of it; Own are those that
// differ by user.
var (
	Shared = Keeping{300_000, "public"}
	Own    = Keeping{60_000, "private"}
)

// List is the result of a method that lists, with what is shown under a member. next
// is the cursor of the next page; "" on the last one.
func List(member string, shown any, next string, keep Keeping) []byte {
	items, err := json.Marshal(shown)
	if err != nil {
		panic(err) // a type of the kit that cannot be encoded
	}
	rest, err := json.Marshal(struct {
		NextCursor string `json:"nextCursor,omitempty"`
		Keeping
	}{next, keep})
	if err != nil {
		panic(err) // texts and a number
	}
	dst := append([]byte(`{"resultType":"complete","`+member+`":`), items...)
	return append(append(dst, ','), rest[1:]...)
}
