package documents

import (
	"slices"
	"strings"
)

// machinery are DocTypes that change what ERPNext itself does, who may do or read
// something, or where it sends things; rows of their tables, too. A person approves
// every change of them, and of whatever is called Settings.
var machinery = []string{"DocType", "DocField", "DocType Action", "DocType Link", "DocType State", "Custom Field", "Property Setter", "Customize Form", "Customize Form Field", "Document Naming Rule",
	"Role", "Role Profile", "Has Role", "DocPerm", "Custom DocPerm", "Custom Role", "Role Permission for Page and Report", "User", "User Email", "User Type", "User Permission", "User Group", "User Social Login", "Block Module", "Module Profile",
	"Server Script", "Client Script", "Website Script", "Custom HTML Block", "Report", "Page", "Print Format", "Print Style", "Letter Head", "Email Template", "Address Template",
	"Web Form", "Web Page", "Web Template", "Website Theme", "Website Route Redirect", "Website Route Meta", "Workspace", "Navbar Item", "Portal Menu Item", "Module Def", "Installed Application", "Installed Applications", "Package", "Package Import", "Translation",
	"Workflow", "Workflow Transition", "Workflow Document State", "Assignment Rule", "Notification", "Notification Recipient", "Auto Repeat", "Auto Email Report", "Scheduled Job Type", "Energy Point Rule", "Milestone Tracker", "Event Producer", "Event Consumer",
	"Webhook", "Webhook Header", "Webhook Data", "Slack Webhook URL", "Social Login Key", "OAuth Client", "OAuth Bearer Token", "OAuth Authorization Code", "Connected App", "Token Cache", "Integration Request", "Google Calendar", "Google Contacts",
	"Email Account", "Email Domain", "Email Queue", "Email Group", "Email Campaign", "Newsletter", "SMS Center", "Process Statement Of Accounts", "Data Import", "Bulk Update", "Rename Tool", "Deleted Document", "Personal Data Deletion Request", "Transaction Deletion Record",
	"DefaultValue", "Session Default", "Document Share Key", "DocShare", "File", "Authorization Rule"}

// guarded tells whether a person approves changes of a DocType.
func guarded(doctype string) bool {
	return strings.HasSuffix(strings.ToLower(doctype), " settings") ||
		slices.ContainsFunc(machinery, func(m string) bool { return strings.EqualFold(m, doctype) })
}

// why is the reason, for who is asked.
const why = "This changes how ERPNext itself works, who may use it or read something, or where it sends data."
