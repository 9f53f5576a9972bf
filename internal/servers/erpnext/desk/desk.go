// Package desk has the tools about what people do around documents: workflows, files,
// prints, comments, assignments, tags, and functions that an operator allows by name.
//
// The erpnext server offers the tools.
package desk

import (
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/kit"
)

// Tools are the tools.
type Tools struct{ *access.Desk }

// Workflow are the tools about workflows.
func (t Tools) Workflow() []kit.Tool {
	return []kit.Tool{
		kit.Read("get_workflow_actions", "Get Workflow Actions", "State of a document in its workflow, and the next steps.", access.Told(t.workflowActions)),
		kit.WithPreview(kit.Destroy("apply_workflow_action", "Apply Workflow Action", "Take a step of the workflow; it may submit or cancel.", access.Told(t.applyAction)).Within(access.Slow), access.Previewed(t.previewAction)),
	}
}

// Files are the tools about files and prints.
func (t Tools) Files() []kit.Tool {
	return []kit.Tool{
		kit.Write("upload_file", "Upload File", "Put a kept file or a text into ERPNext, at a document.", access.Told(t.upload)).Within(access.Slow),
		kit.Read("download_file", "Download File", "Fetch a file of ERPNext to hand it to another tool; texts are shown.", access.Told(t.download)).Within(access.Slow),
		kit.Read("get_print_pdf", "Get Print PDF", "Print a document as PDF.", access.Told(t.print)).Within(access.Slow),
	}
}

// Around are the tools about comments, assignments, tags and lists of files.
func (t Tools) Around() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_files", "List Files", "Find files.", access.Told(t.listFiles)),
		kit.Write("add_comment", "Add Comment", "Comment on a document.", access.Told(t.comment)),
		kit.Write("assign", "Assign", "Give a document to users as work to do; they are notified.", access.Told(t.assign)),
		kit.Write("add_tag", "Add Tag", "Tag a document.", access.Told(t.tag)).Idempotent(),
	}
}

// Functions is the tool that calls what the operator allows.
func (t Tools) Functions() []kit.Tool {
	return []kit.Tool{
		kit.WithPreview(kit.Destroy("call_method", "Call Method", "Call a function that the operator allows by name.", access.Told(t.callMethod)).Within(access.Slow), t.previewCall),
	}
}
