// Package memory is a drop-in for two servers on one store: the reference
// knowledge graph (npm @modelcontextprotocol/server-memory 2026.8.31) and the
// memory bank (npm @allpepper/memory-bank-mcp 0.2.2), with full-text search over
// both.
//
// The tools of the originals keep their contracts; where they lose data or show
// paths of the file system, ours differ, and the tests name each place. Every
// user has a graph and a bank of their own, and more of both in spaces that a call
// names. A call is one transaction. Deletes
// are soft: what a change removed comes back with memory_restore for 30 days.
// The state is in the server's own tables; there is no upstream.
package memory

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/memory/records"
)

// Name is the server's name.
const Name = "memory"

// Config are the settings of the server.
type Config struct {
	kit.Common
	// GraphFile is a JSONL file of the reference server that is read into the
	// graph of the user admin, once.
	GraphFile string
	// BankDir is a memory bank's root directory, read the same way.
	BankDir string
	// QuotaMB bounds what is kept of each user, old versions and deleted things
	// included.
	QuotaMB int64
}

const defaultQuotaMB = 100

// Variables are the environment variables of the settings. The first two are the
// originals' own; in the file the keys are file_path, bank_root and quota_mb.
func Variables() []string {
	return append(kit.CommonVariables(Name), "MEMORY_FILE_PATH", "MEMORY_BANK_ROOT", "MEMORY_QUOTA_MB")
}

// ReadConfig reads the settings.
func ReadConfig(v kit.Settings) (Config, error) {
	common, err := v.Common(kit.ModeWrite)
	if err != nil {
		return Config{}, err
	}
	c := Config{Common: common, GraphFile: v.Text("file_path"), BankDir: v.Text("bank_root"), QuotaMB: defaultQuotaMB}
	if text := v.Text("quota_mb"); text != "" {
		c.QuotaMB, err = strconv.ParseInt(text, 10, 32)
		if err != nil || c.QuotaMB < 1 {
			return c, fmt.Errorf("quota_mb is %q; set it to a number of megabytes, 1 or more", text)
		}
	}
	return c, nil
}

// server has what the tools work with.
type server struct {
	records *records.Store
	log     *slog.Logger
	cfg     Config
}

// New makes the server.
func New(cfg Config, deps kit.Deps) (*kit.Server, error) {
	s := &server{records: records.New(deps.DB, deps.Now, cfg.QuotaMB<<20), log: deps.Log, cfg: cfg}
	return kit.New(kit.Spec{
		Common: cfg.Common,
		Name:   Name,
		Title:  "Memory",
		Instructions: "What should be remembered beyond this conversation: a knowledge graph of entities, observations and relations, " +
			"and a bank of Markdown files by project. memory_search finds words in both. What was deleted comes back with memory_restore. " +
			"Every tool takes the argument space, the name of a memory of its own: use it only where the user asks for one.",
		Spaces: true,
		Sets:   []kit.Set{{Name: setGraph, Default: true}, {Name: setBank, Default: true}, {Name: setManage}},
		Tools:  append(append(s.graphTools(), s.bankTools()...), s.commonTools()...),
		Resources: []kit.Resource{{
			URI: graphURI, Name: "knowledge-graph", Title: "Knowledge Graph",
			Description: "The full knowledge graph with all entities and relations", MIMEType: "application/json",
			Read: s.readGraphResource,
		}},
		Templates: []kit.Template{{
			URITemplate: fileTemplate, Name: "memory-bank-file", Title: "Memory bank file",
			Description: "A file of a project in the memory bank.", MIMEType: "text/markdown",
			Read: s.readFileResource, List: s.listFileResources, Complete: s.completeFile,
		}},
		Prompts:     []kit.Prompt{s.contextPrompt()},
		UnknownTool: unknownTool,
		Prepare:     s.prepare,
	}, deps)
}

const (
	setGraph  = "graph"
	setBank   = "bank"
	setManage = "manage"

	graphURI     = "memory://knowledge-graph"
	fileTemplate = "memorybank://{project}/{file}"
)

func (s *server) graphTools() []kit.Tool {
	return kit.InSet(setGraph,
		kit.Write("create_entities", "Create Entities", "Create multiple new entities in the knowledge graph", s.createEntities).Keeping(graphContract),
		kit.Write("create_relations", "Create Relations",
			"Create multiple new relations between entities in the knowledge graph. Relations should be in active voice", s.createRelations).Keeping(graphContract),
		kit.Write("add_observations", "Add Observations", "Add new observations to existing entities in the knowledge graph", s.addObservations).Keeping(graphContract),
		kit.Destroy("delete_entities", "Delete Entities", "Delete multiple entities and their associated relations from the knowledge graph", s.deleteEntities).
			Idempotent().Restorable().Keeping(graphContract),
		kit.Destroy("delete_observations", "Delete Observations", "Delete specific observations from entities in the knowledge graph", s.deleteObservations).
			Idempotent().Restorable().Keeping(graphContract),
		kit.Destroy("delete_relations", "Delete Relations", "Delete multiple relations from the knowledge graph", s.deleteRelations).
			Idempotent().Restorable().Keeping(graphContract),
		kit.Read("read_graph", "Read Graph", "Read the entire knowledge graph", s.readGraph).Keeping(graphContract),
		kit.Read("search_nodes", "Search Nodes", "Search for nodes in the knowledge graph based on a query", s.searchNodes).Keeping(graphContract),
		kit.Read("open_nodes", "Open Nodes", "Open specific nodes in the knowledge graph by their names", s.openNodes).Keeping(graphContract),
		kit.Read("get_related", "Get Related", "List what an entity of the knowledge graph is related to, over up to three steps.", s.getRelated),
		kit.Write("rename_entity", "Rename Entity", "Rename an entity of the knowledge graph; its relations follow.", s.renameEntity),
	)
}

func (s *server) bankTools() []kit.Tool {
	return kit.InSet(setBank,
		kit.Read("list_projects", "List Projects", "List all projects in the memory bank", s.listProjects).Keeping(bankContract),
		kit.Read("list_project_files", "List Project Files", "List all files within a specific project", s.listFiles).Keeping(bankContract),
		kit.Read("memory_bank_read", "Read Memory Bank File", "Read a memory bank file for a specific project", s.readFile).Keeping(bankContract),
		kit.Write("memory_bank_write", "Write Memory Bank File", "Create a new memory bank file for a specific project", s.writeFile).Keeping(bankContract),
		kit.Write("memory_bank_update", "Update Memory Bank File", "Update an existing memory bank file for a specific project", s.updateFile).
			Idempotent().Keeping(bankContract),
		kit.Write("memory_bank_append", "Append to Memory Bank File", "Add text to the end of a memory bank file; makes the file if it is not there.", s.appendFile),
		kit.Write("memory_bank_patch", "Patch Memory Bank File", "Replace the text below one Markdown heading of a memory bank file.", s.patchFile).Idempotent(),
		kit.Destroy("memory_bank_delete", "Delete Memory Bank File", "Delete a memory bank file. memory_bank_restore brings it back for 30 days.", s.deleteFile).Idempotent().Restorable(),
		kit.Read("memory_bank_history", "Memory Bank File History", "List the versions of a memory bank file, or read one of them.", s.fileHistory),
		kit.Write("memory_bank_restore", "Restore Memory Bank File", "Bring back a deleted memory bank file, or an older version of one.", s.restoreFile),
	)
}

func (s *server) commonTools() []kit.Tool {
	common := []kit.Tool{
		kit.Read("memory_search", "Search Memory", "Find words in the knowledge graph and the memory bank, best matches first, with the text around them.", s.search),
		kit.Read("memory_changes", "Memory Changes", "List what was changed in your memory, latest first, with the ids that memory_restore takes.", s.listChanges),
		kit.Write("memory_restore", "Restore Memory", "Bring back everything that one change deleted: entities with their relations, observations, files.", s.restoreChange).Idempotent(),
	}
	return append(common, kit.InSet(setManage,
		kit.Destroy("memory_bank_delete_project", "Delete Memory Bank Project", "Delete all files of a project. memory_restore brings them back for 30 days.", s.deleteProject).Idempotent().Restorable(),
		kit.Read("memory_spaces", "Memory Spaces", "List your spaces of the memory, with how much each has.", s.listSpaces),
		kit.Read("memory_bank_export", "Export Memory Bank", "Export the files of the memory bank, or of one project, with their content.", s.exportBank),
		kit.Write("memory_bank_import", "Import Memory Bank", "Add files to the memory bank, as memory_bank_export gives them. Files that are there stay.", s.importBank).Idempotent(),
		kit.Read("memory_export", "Export Memory", "Export the knowledge graph as JSON lines, in the format of the reference memory server.", s.exportGraph),
		kit.Write("memory_import", "Import Memory", "Add JSON lines of the reference memory server's format to the knowledge graph. What is there stays.", s.importGraph).Idempotent(),
	)...)
}

// prepare makes the tables and takes over the files of the originals.
func (s *server) prepare(ctx context.Context) error {
	if err := s.records.Prepare(ctx, Name); err != nil {
		return err
	}
	s.takeOver(ctx)
	return nil
}
