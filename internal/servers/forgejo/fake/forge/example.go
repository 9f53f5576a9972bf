package forge

import "fmt"

// Tokens of Example. Ada owns things, Ben writes where he is let, Eve may only look;
// ReadToken is Ada's, for reading repositories and nothing else.
const (
	AdaToken  = "made-up-token-of-ada"
	BenToken  = "made-up-token-of-ben"
	EveToken  = "made-up-token-of-eve"
	ReadToken = "made-up-token-that-reads"
	Password  = "made-up-password" // of all three
)

// Example is a small forge: ada/tower with code, issues, two pull requests (the second
// conflicts) and two runs; the private ada/vault; ada/attic, archived; acme/docs of an
// organization.
func Example() *Seed {
	user := func(login, name string, tokens ...SeedToken) SeedUser {
		return SeedUser{Login: login, Name: name, Password: Password, Tokens: tokens}
	}
	return &Seed{
		Users: []SeedUser{
			user("ada", "Ada Example", SeedToken{Value: AdaToken}, SeedToken{Value: ReadToken, Scopes: []string{"read:repository"}}),
			user("ben", "Ben Example", SeedToken{Value: BenToken}),
			user("eve", "Eve Example", SeedToken{Value: EveToken}),
			{Login: "acme", Name: "Acme", Org: true, Members: map[string]string{"ada": "owner", "ben": "write"}},
		},
		Repos: []SeedRepo{
			tower(),
			{Owner: "ada", Name: "vault", Description: "not for everyone", Private: true,
				Commits: []SeedCommit{{Message: "start", Files: map[string]*string{"README.md": new("# vault\n")}}}},
			{Owner: "ada", Name: "attic", Archived: true,
				Commits: []SeedCommit{{Message: "start", Files: map[string]*string{"README.md": new("# attic\n")}}},
				Issues:  []SeedIssue{{Title: "left behind"}}},
			{Owner: "acme", Name: "docs", Topics: []string{"handbook"}, Labels: []string{"typo#0e8a16"},
				Commits: []SeedCommit{{Message: "start", By: "ada", Files: map[string]*string{"index.md": new("# docs\n")}}}},
		},
	}
}

func tower() SeedRepo {
	code := "package tower\n\n// Height is in metres.\nconst Height = 30\n\nfunc Floors() int {\n\treturn Height / 3\n}\n"
	higher := "package tower\n\n// Height is in metres.\nconst Height = 40\n\nfunc Floors() int {\n\treturn Height / 4\n}\n"
	log := ""
	for n := range 120 {
		log += fmt.Sprintf("2026-11-02T08:00:00.0000000Z step line %d\n", n+1)
	}
	return SeedRepo{
		Owner: "ada", Name: "tower", Description: "a tower in Go", Topics: []string{"go", "tower"},
		Team: map[string]string{"ben": "write"},
		Commits: []SeedCommit{
			{Message: "first stones", Files: map[string]*string{
				"README.md": new("# tower\n\nA tower.\n"), "tower.go": new(code), "docs/plan.md": new("# plan\n"),
				".forgejo/workflows/ci.yml": new("on: [push, workflow_dispatch]\njobs: {}\n"), ".gitea/workflows/ci.yml": new("on: [push, workflow_dispatch]\njobs: {}\n")}},
			{Branch: "higher", By: "ben", Message: "build higher", Files: map[string]*string{"tower.go": new(higher), "docs/high.md": new("# high\n")}},
			{Branch: "lower", By: "ben", Message: "build lower", Files: map[string]*string{"README.md": new("# tower\n\nA low tower.\n")}},
			{Message: "say more", Files: map[string]*string{"README.md": new("# tower\n\nA tall tower.\n")}},
		},
		Tags:       map[string]string{"v1.0": "main"},
		Labels:     []string{"bug#ee0701", "wish#0075ca"},
		Milestones: []string{"roof"},
		Issues: []SeedIssue{
			{Title: "The stairs creak", Body: "Every night. @ben?", By: "eve", Labels: []string{"bug"}, Milestone: "roof", Assignees: []string{"ada"},
				Comments: []map[string]string{{"by": "ben", "body": "I hear it, too."}}},
			{Title: "Paint the door", Body: "Green.", By: "ben", Labels: []string{"wish"}, Closed: true},
			{Title: "Build higher", Body: "Ten metres more.", By: "ben", Head: "higher"},
			{Title: "Build lower", By: "ben", Head: "lower"},
		},
		Runs: []SeedRun{
			{Workflow: "ci.yml", Status: "success", Jobs: []SeedJob{{Name: "test", Status: "success", Log: log}}},
			{Workflow: "ci.yml", Branch: "higher", Event: "pull_request", Status: "failure", Jobs: []SeedJob{
				{Name: "test", Status: "failure", Log: log + "--- FAIL: TestFloors\n"}, {Name: "deploy", Status: "blocked"}}},
		},
	}
}
