package shell

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

// YesFlag is for commands that end something which cannot be brought back.
func YesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask first"}
}

// Sure asks a person, if there is one, before something is ended.
func (s *Shell) Sure(cmd *cli.Command, format string, args ...any) error {
	if cmd.Bool("yes") || !IsTerminal(s.In) {
		return nil
	}
	fmt.Fprintf(s.Err, "%s [y/N] ", line(fmt.Sprintf(format, args...)))
	answer, err := bufio.NewReader(s.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	fmt.Fprintln(s.Err, "Nothing was changed.")
	return ErrSaid
}

// maxLine bounds a password on standard input.
const maxLine = 4096

// PasswordFlags are those of commands that set a password, which is never an
// argument: other users of the machine see those.
func PasswordFlags() []cli.Flag {
	return []cli.Flag{&cli.BoolFlag{Name: "generate", Usage: "make a password and print it, alone, on standard output"}}
}

// Password asks for a password, twice and without echo, or reads the first line of
// standard input. It is empty where one is to be made.
func (s *Shell) Password(cmd *cli.Command) (secret.String, error) {
	if cmd.Bool("generate") {
		return secret.String{}, nil
	}
	if f, ok := s.In.(*os.File); ok && IsTerminal(f) {
		return s.password(f)
	}
	first, err := bufio.NewReader(io.LimitReader(s.In, maxLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return secret.String{}, fmt.Errorf("read password: %w", err)
	}
	if first = strings.TrimRight(first, "\r\n"); first == "" {
		return secret.String{}, Usagef(cmd, "there is no password on standard input; give one, or --generate")
	}
	return secret.New(first), nil
}

// maxSecret bounds a secret on standard input; private keys are the longest.
const maxSecret = 64 << 10

// Secret asks for one line without echo, or reads all of standard input, since a
// private key has many lines. what names it for whoever types.
func (s *Shell) Secret(cmd *cli.Command, what string) (secret.String, error) {
	if f, ok := s.In.(*os.File); ok && IsTerminal(f) {
		lines, err := s.typed(f, what+": ")
		if err != nil {
			return secret.String{}, err
		}
		return secret.New(lines[0]), nil
	}
	all, err := io.ReadAll(io.LimitReader(s.In, maxSecret))
	if err != nil {
		return secret.String{}, fmt.Errorf("read %s: %w", what, err)
	}
	text := strings.TrimRight(string(all), "\r\n")
	if text == "" {
		return secret.String{}, Usagef(cmd, "there is no %s on standard input; give it there", what)
	}
	if strings.Contains(text, "\n") { // a file, which ends in a line
		text += "\n"
	}
	return secret.New(text), nil
}

func (s *Shell) password(f *os.File) (secret.String, error) {
	lines, err := s.typed(f, "Password: ", "Again: ")
	if err != nil {
		return secret.String{}, err
	}
	switch {
	case lines[0] == "":
		return secret.String{}, fault.New(fault.Invalid, "The password is empty. Type one, or give --generate to have one made.")
	case lines[0] != lines[1]:
		return secret.String{}, fault.New(fault.Invalid, "The two passwords are not the same. Try again.")
	}
	return secret.New(lines[0]), nil
}

// typed reads a line for each prompt from a terminal. A signal in between must not
// leave the terminal without echo.
func (s *Shell) typed(f *os.File, prompts ...string) (lines []string, err error) {
	fd := int(f.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("read from terminal: %w", err)
	}
	interrupted, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(interrupted)
	defer close(done)
	go func() { // ends with done
		select {
		case <-interrupted:
			_ = term.Restore(fd, state)
			os.Exit(Failed)
		case <-done:
		}
	}()
	for _, prompt := range prompts {
		fmt.Fprint(s.Err, prompt)
		typed, err := term.ReadPassword(fd)
		fmt.Fprintln(s.Err)
		if err != nil {
			return nil, fmt.Errorf("read from terminal: %w", err)
		}
		lines = append(lines, string(typed))
	}
	return lines, nil
}
