package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// serveStdio speaks newline-delimited JSON-RPC. Requests run concurrently, as
// several clients of a gateway share one child process.
func (b *backend) serveStdio(in io.Reader, out io.Writer) error {
	var mu sync.Mutex
	send := func(line []byte) {
		mu.Lock()
		out.Write(line)
		mu.Unlock()
	}
	rd := bufio.NewReaderSize(in, 64<<10)
	for {
		line, err := rd.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var req rpcRequest
			if json.Unmarshal(line, &req) == nil && len(req.ID) > 0 && req.Method != "" {
				slow := req.Method == "tools/call" &&
					(strings.HasSuffix(req.Params.Name, kindSlow) || strings.HasSuffix(req.Params.Name, kindStream))
				if slow {
					go b.answerLines(&req, send)
				} else {
					b.answerLines(&req, send)
				}
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// answerLines answers one request as lines: notifications first, if any.
func (b *backend) answerLines(req *rpcRequest, send func([]byte)) {
	modern := req.Params.Meta.Version != ""
	if req.Method == "tools/call" && strings.HasSuffix(req.Params.Name, kindStream) {
		var a toolArgs
		json.Unmarshal(req.Params.Arguments, &a)
		n := orDefault(a.Events, b.cfg.events)
		if len(req.Params.Meta.ProgressToken) > 0 {
			for i := range n {
				send(fmt.Appendf(nil, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":%s,\"progress\":%d,\"total\":%d}}\n",
					req.Params.Meta.ProgressToken, i+1, n))
				time.Sleep(time.Duration(orDefault(a.GapMS, int(b.cfg.gap.Milliseconds()))) * time.Millisecond)
			}
		}
		send(fmt.Appendf(nil, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"resultType\":\"complete\",\"content\":[{\"type\":\"text\",\"text\":\"stream %d\"}],\"isError\":false}}\n", req.ID, n))
		return
	}
	buf := bodyPool.Get().(*bytes.Buffer)
	buf.Reset()
	b.answer(context.Background(), buf, req, modern)
	buf.WriteByte('\n')
	send(buf.Bytes())
	bodyPool.Put(buf)
}
