// Package sequentialthinking is a drop-in for the reference server of that name
// (npm @modelcontextprotocol/server-sequential-thinking 2026.8.31): a scratch pad
// on which a model writes numbered thoughts, revises them and branches.
//
// The tool sequentialthinking keeps the original's contract: names, coercions,
// error texts, output. What differs: thoughts belong to a user and a session
// instead of to the process, annotations say that the tool writes, sessions are
// bounded in size and time, and the thoughts can be read back. Nothing is kept
// over a restart. There is no upstream.
package sequentialthinking

import (
	"time"

	"drawbridge/internal/servers/kit"
)

// Name is the server's name.
const Name = "sequentialthinking"

// Config are the settings of the server.
type Config struct {
	kit.Common
}

// Variables are the environment variables of the settings.
func Variables() []string { return kit.CommonVariables(Name) }

// ReadConfig reads the settings.
func ReadConfig(v kit.Settings) (Config, error) {
	c, err := v.Common(kit.ModeWrite)
	return Config{Common: c}, err
}

// The bounds on what is kept.
const (
	maxThoughts    = 1000     // in a session
	maxThoughtSize = 64 << 10 // bytes of one thought
	maxSessions    = 100      // of a user; the one unused for longest goes first
	maxUserSize    = 16 << 20 // bytes of all thoughts of a user; the same
	sessionTTL     = 24 * time.Hour
)

// server holds the thoughts.
type server struct {
	thoughts *store
}

// New makes the server.
func New(cfg Config, deps kit.Deps) (*kit.Server, error) {
	s := &server{thoughts: newStore(deps.Now)}
	return kit.New(kit.Spec{
		Common: cfg.Common,
		Name:   Name,
		Title:  "Sequential Thinking",
		Instructions: "A scratch pad for thinking in steps: write one thought per call with sequentialthinking, " +
			"read them back with get_thoughts. Send session_id to keep several lines of thought apart.",
		Tools: []kit.Tool{
			kit.Write("sequentialthinking", "Sequential Thinking", description, s.think).Keeping(contract),
			kit.Read("get_thoughts", "Get Thoughts",
				"Read back the thoughts of a thinking session, in the order they were written.", s.getThoughts),
			kit.Read("list_thinking_sessions", "List Thinking Sessions",
				"List your thinking sessions, the one used last first.", s.listSessions),
			kit.Write("end_thinking_session", "End Thinking Session",
				"End a thinking session: the next thought without a session_id starts a new one. Its thoughts stay readable for a day.", s.endSession).Idempotent(),
		},
		Templates: []kit.Template{{
			URITemplate: sessionTemplate, Name: "thinking-session", Title: "Thinking session",
			Description: "The thoughts of one session as Markdown.", MIMEType: "text/markdown",
			Read: s.readSession, List: s.listResources, Complete: s.completeSession,
		}},
		UnknownTool: unknownTool,
	}, deps)
}

const sessionTemplate = "thinking://{session}"

// description is the original's, word for word: models know it.
const description = `A detailed tool for dynamic and reflective problem-solving through thoughts.
This tool helps analyze problems through a flexible thinking process that can adapt and evolve.
Each thought can build on, question, or revise previous insights as understanding deepens.

When to use this tool:
- Breaking down complex problems into steps
- Planning and design with room for revision
- Analysis that might need course correction
- Problems where the full scope might not be clear initially
- Problems that require a multi-step solution
- Tasks that need to maintain context over multiple steps
- Situations where irrelevant information needs to be filtered out

Key features:
- You can adjust total_thoughts up or down as you progress
- You can question or revise previous thoughts
- You can add more thoughts even after reaching what seemed like the end
- You can express uncertainty and explore alternative approaches
- Not every thought needs to build linearly - you can branch or backtrack
- Generates a solution hypothesis
- Verifies the hypothesis based on the Chain of Thought steps
- Repeats the process until satisfied
- Provides a correct answer

Parameters explained:
- thought: Your current thinking step, which can include:
  * Regular analytical steps
  * Revisions of previous thoughts
  * Questions about previous decisions
  * Realizations about needing more analysis
  * Changes in approach
  * Hypothesis generation
  * Hypothesis verification
- nextThoughtNeeded: True if you need more thinking, even if at what seemed like the end
- thoughtNumber: Current number in sequence (can go beyond initial total if needed)
- totalThoughts: Current estimate of thoughts needed (can be adjusted up/down)
- isRevision: A boolean indicating if this thought revises previous thinking
- revisesThought: If is_revision is true, which thought number is being reconsidered
- branchFromThought: If branching, which thought number is the branching point
- branchId: Identifier for the current branch (if any)
- needsMoreThoughts: If reaching end but realizing more thoughts needed

You should:
1. Start with an initial estimate of needed thoughts, but be ready to adjust
2. Feel free to question or revise previous thoughts
3. Don't hesitate to add more thoughts if needed, even at the "end"
4. Express uncertainty when present
5. Mark thoughts that revise previous thinking or branch into new paths
6. Ignore information that is irrelevant to the current step
7. Generate a solution hypothesis when appropriate
8. Verify the hypothesis based on the Chain of Thought steps
9. Repeat the process until satisfied with the solution
10. Provide a single, ideally correct answer as the final output
11. Only set nextThoughtNeeded to false when truly done and a satisfactory answer is reached`
