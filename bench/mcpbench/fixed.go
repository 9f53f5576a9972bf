package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// runFixed fetches the tool list of a server once and then gives the same bytes
// to everybody: what serving a list costs when nothing is done but sending it.
func runFixed(args []string) error {
	fs := flag.NewFlagSet("fixed", flag.ExitOnError)
	addr := fs.String("addr", "127.0.0.1:9200", "address; keep it on loopback")
	var t target
	fs.StringVar(&t.URL, "from", "", "endpoint whose list is taken")
	fs.StringVar(&t.Token, "token", "", "bearer token of that endpoint")
	fs.Parse(args)
	list, err := fetchList(&t)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "mcpbench fixed: http://%s, %d bytes of list, pid %d\n", *addr, len(list), os.Getpid())
	srv := &http.Server{Addr: *addr, Handler: fixedHandler(list), ReadHeaderTimeout: 30 * time.Second}
	return srv.ListenAndServe()
}

// fetchList is the raw result of one tools/list.
func fetchList(t *target) ([]byte, error) {
	if err := t.parse(); err != nil {
		return nil, err
	}
	c := newConn(t, 30*time.Second)
	if err := c.open(eraLegacy); err != nil {
		return nil, err
	}
	defer c.end()
	w := work{era: eraLegacy, method: "tools/list"}
	r, err := c.call(eraLegacy, w.method, "", 1, w.appendBody(nil, 1, "", ""))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(r.body, &answer); err != nil {
		return nil, err
	}
	if answer.Result == nil {
		return nil, errors.New("no list in: " + clip(string(r.body)))
	}
	return answer.Result, nil
}

// fixedHandler reads of a request no more than it must: the id, which mcpbench
// always writes second, and whether it is the list that is wanted.
func fixedHandler(list []byte) http.Handler {
	const hello = `{"protocolVersion":"` + eraLegacy + `","capabilities":{"tools":{}},"serverInfo":{"name":"fixed","version":"1"}}`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil || r.Method != http.MethodPost {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, rest, ok := bytes.Cut(body, []byte(`"id":`))
		if !ok {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		id, _, _ := bytes.Cut(rest, []byte(","))
		result := []byte(hello)
		if bytes.Contains(body, []byte(`"tools/list"`)) {
			result = list
		}
		head := append([]byte(`{"jsonrpc":"2.0","id":`), id...)
		head = append(head, `,"result":`...)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(head)+len(result)+1))
		w.Write(head)
		w.Write(result)
		w.Write([]byte("}"))
	})
}
