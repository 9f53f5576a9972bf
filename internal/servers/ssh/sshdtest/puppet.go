package sshdtest

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"drawbridge/internal/secret"
)

// Said is what a puppet answers to one command.
type Said struct {
	Stdout string
	Signal string // that ended it, in whatever words; "" is exit 0
}

// marker is the word by which package remote knows that a command has begun.
var marker = regexp.MustCompile(`db[A-Z2-7]{26}`)

// Puppet is a host that says to every command what a test wants, as a hostile one
// may. It needs nothing installed; it runs nothing and has no files.
func Puppet(tb testing.TB, answer func(command string) Said) *Server {
	tb.Helper()
	hostKey, public := newKey(tb)
	signer, err := ssh.ParsePrivateKey(hostKey)
	if err != nil {
		tb.Fatal(err)
	}
	cfg := &ssh.ServerConfig{NoClientAuth: true}
	cfg.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	login, _ := newKey(tb)
	s := &Server{Port: l.Addr().(*net.TCPAddr).Port, Host: public, Key: secret.New(string(login)), log: &output{}}
	var all sync.WaitGroup
	var mu sync.Mutex // guards open
	open := []io.Closer{l}
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			all.Go(func() { s.welcome(c, cfg, answer) })
		}
	})
	tb.Cleanup(func() {
		mu.Lock()
		for _, c := range open {
			_ = c.Close() // the client may have closed it
		}
		mu.Unlock()
		all.Wait()
	})
	return s
}

// welcome serves one connection until it ends.
func (s *Server) welcome(c net.Conn, cfg *ssh.ServerConfig, answer func(string) Said) {
	conn, channels, requests, err := ssh.NewServerConn(c, cfg)
	if err != nil {
		fmt.Fprintln(s.log, err)
		return
	}
	defer conn.Close()
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { ssh.DiscardRequests(requests) })
	for offered := range channels {
		channel, asked, err := offered.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			defer channel.Close()
			for r := range asked {
				_ = r.Reply(r.Type == "exec", nil) // a client that has gone needs no answer
				if r.Type == "exec" {
					perform(channel, r.Payload, answer)
					return
				}
			}
		})
	}
}

// perform answers a command, RFC 4254 6.5 and 6.10.
func perform(channel ssh.Channel, payload []byte, answer func(string) Said) {
	var exec struct{ Command string }
	if ssh.Unmarshal(payload, &exec) != nil {
		return
	}
	said := answer(exec.Command)
	fmt.Fprintf(channel.Stderr(), "%s 4242 4242\n", marker.FindString(exec.Command))
	_, _ = io.WriteString(channel, said.Stdout) // seen by who waits for it
	end, words := "exit-status", ssh.Marshal(struct{ Status uint32 }{})
	if said.Signal != "" {
		end, words = "exit-signal", ssh.Marshal(struct {
			Signal     string
			CoreDumped bool
			Message    string
			Language   string
		}{said.Signal, false, said.Signal, ""})
	}
	_, _ = channel.SendRequest(end, false, words) // as above
}
