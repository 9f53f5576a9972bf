// Package seed is what a fake site starts with: its doctypes, a small company, a second
// one, people with different rights. Only the fake uses it.
package seed

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"drawbridge/internal/servers/erpnext/fake/books"
	"drawbridge/internal/servers/erpnext/fake/meta"
	"drawbridge/internal/servers/erpnext/fake/site"
)

//go:embed doctypes.txt
var doctypes string

//go:embed docs.json
var docs string

// Names of people in Example, each with the role that the name says.
const (
	Administrator = "Administrator"
	Owner         = "owner@example.com"    // all roles
	Sales         = "sales@example.com"    // Sales User
	Manager       = "manager@example.com"  // Sales Manager, Sales Master Manager, Purchase Manager
	Accounts      = "accounts@example.com" // Accounts User and Manager
	Buyer         = "buyer@example.com"    // Purchase User
	Stock         = "stock@example.com"    // Stock User, Item Manager
	Branch        = "branch@example.com"   // Sales User, Stock User, kept to the second company
	Portal        = "portal@example.com"   // a customer: no desk
	Left          = "left@example.com"     // disabled
)

// The two companies of Example.
const (
	Company      = "Tinker & Co"
	OtherCompany = "Tinker Trading"
)

// Seed is what a site starts with.
type Seed struct {
	Users []site.User
	Docs  []site.Obj // inserted in order, as Administrator, and submitted where docstatus says so
	Bulk  int        // so many customers more, with ten invoices each
}

// Example is the seed that a server without one has.
func Example() *Seed {
	s := &Seed{}
	must(json.Unmarshal([]byte(docs), &s.Docs))
	user := func(name, full, key string, roles ...string) {
		s.Users = append(s.Users, site.User{Name: name, FullName: full, Roles: roles, Key: key, Secret: key + "-secret", Password: "made-up-password"})
	}
	user(Administrator, "Administrator", "adminkey")
	user(Owner, "Olga Owner", "ownerkey", "System Manager", "Sales User", "Sales Manager", "Sales Master Manager", "Accounts User", "Accounts Manager",
		"Purchase User", "Purchase Manager", "Purchase Master Manager", "Stock User", "Item Manager", "Prepared Report User")
	user(Sales, "Sam Sales", "saleskey", "Sales User", "Employee")
	user(Manager, "Mia Manager", "managerkey", "Sales User", "Sales Manager", "Sales Master Manager", "Purchase User", "Purchase Manager", "Employee")
	user(Accounts, "Anna Accounts", "accountskey", "Accounts User", "Accounts Manager", "Employee")
	user(Buyer, "Ben Buyer", "buyerkey", "Purchase User", "Employee")
	user(Stock, "Stan Stock", "stockkey", "Stock User", "Item Manager", "Prepared Report User", "Employee")
	user(Branch, "Britta Branch", "branchkey", "Sales User", "Stock User", "Employee")
	user(Portal, "Pat Portal", "portalkey")
	user(Left, "Leo Left", "leftkey", "Sales User")
	for i := range s.Users {
		u := &s.Users[i]
		u.Admin, u.Website, u.Disabled = u.Name == Administrator, u.Name == Portal, u.Name == Left
	}
	s.Users[1].Bearer = "made-up-oauth-token"
	s.Docs = append(s.Docs, site.Obj{"doctype": "User Permission", "user": Branch, "allow": "Company", "for_value": OtherCompany})
	s.Docs = append(s.Docs, trade()...)
	return s
}

// trade is a little of it, in both companies. "@+50" is in fifty days.
func trade() []site.Obj {
	items := func(code string, qty float64, more ...string) []any {
		row := site.Obj{"item_code": code, "qty": qty}
		for i := 0; i < len(more); i += 2 {
			row[more[i]] = more[i+1]
		}
		return []any{row}
	}
	return []site.Obj{
		{"doctype": "Stock Entry", "stock_entry_type": "Material Receipt", "company": Company, "to_warehouse": "Stores - TC", "docstatus": 1,
			"items": []any{site.Obj{"item_code": "SKU001", "qty": 100.0}, site.Obj{"item_code": "SKU002", "qty": 5.0}}},
		{"doctype": "Stock Entry", "stock_entry_type": "Material Receipt", "company": OtherCompany, "to_warehouse": "Stores - TT", "docstatus": 1, "items": items("SKU001", 10)},
		{"doctype": "Lead", "first_name": "Jo", "company_name": "Hooli", "email_id": "jo@hooli.example", "status": "Lead"},
		{"doctype": "Opportunity", "opportunity_from": "Customer", "party_name": "West View Software", "company": Company, "items": []any{site.Obj{"item_code": "SKU002", "qty": 2.0, "uom": "Nos", "rate": 900.0}}},
		{"doctype": "Quotation", "quotation_to": "Customer", "party_name": "Grant Plastics Ltd.", "company": Company, "docstatus": 1, "items": items("SKU002", 2)},
		{"doctype": "Quotation", "quotation_to": "Customer", "party_name": "West View Software", "company": Company, "items": items("SKU001", 10)},
		{"doctype": "Sales Order", "customer": "West View Software", "company": Company, "delivery_date": "@+50", "docstatus": 1, "items": items("SKU001", 4, "warehouse", "Stores - TC")},
		{"doctype": "Sales Order", "customer": "Ada Lovelace", "company": OtherCompany, "delivery_date": "@+50", "docstatus": 1, "items": items("SKU001", 1, "warehouse", "Stores - TT")},
		{"doctype": "Sales Invoice", "customer": "Grant Plastics Ltd.", "company": Company, "posting_date": "@-60", "due_date": "@-31", "docstatus": 1, "items": items("SKU002", 1),
			"taxes": []any{site.Obj{"charge_type": "On Net Total", "account_head": "VAT - TC", "description": "VAT 20", "rate": 20.0}}},
		{"doctype": "Sales Invoice", "customer": "Ada Lovelace", "company": OtherCompany, "docstatus": 1, "items": items("SKU003", 2)},
		{"doctype": "Purchase Order", "supplier": "Summit Traders", "company": Company, "schedule_date": "@+30", "items": items("SKU003", 50)},
		{"doctype": "Purchase Invoice", "supplier": "Zuckerman Steel", "company": Company, "docstatus": 1, "bill_no": "ZS-77", "items": items("SKU001", 20)},
		{"doctype": "ToDo", "description": "Call back Grant Plastics", "allocated_to": Sales, "reference_type": "Customer", "reference_name": "Grant Plastics Ltd."},
	}
}

func must(err error) {
	if err != nil {
		panic(err) // what is compiled in does not change
	}
}

// Plant makes a site of a seed.
func Plant(s *Seed, version int, now func() time.Time) (*site.Site, error) {
	text := doctypes
	if version >= 16 { // ref 2.1: CRM fields were renamed, from memory
		text = strings.ReplaceAll(text, "source | Data | | Source\n", "utm_source | Data | | Source\n")
	}
	reg, err := meta.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read doctypes: %w", err)
	}
	st := site.New(reg, version, books.Rules{}, now)
	admin := &site.Session{User: &site.User{Name: Administrator, FullName: Administrator, Admin: true}}
	for _, u := range s.Users {
		st.Users = append(st.Users, &u)
		st.Put(site.Obj{"doctype": "User", "name": u.Name, "email": u.Name, "first_name": u.FullName, "full_name": u.FullName, "enabled": meta.Bit(!u.Disabled),
			"user_type": map[bool]string{true: "Website User", false: "System User"}[u.Website], "owner": Administrator, "modified_by": Administrator,
			"creation": st.Stamp(), "modified": st.Stamp(), "docstatus": 0, "idx": 0})
	}
	for _, doc := range append(s.Docs, bulk(s.Bulk)...) {
		if _, err := st.Insert(admin, site.Text(doc, "doctype"), dated(doc, st.Now())); err != nil {
			return nil, fmt.Errorf("plant %s: %w", doc["doctype"], err)
		}
	}
	st.Put(site.Obj{"doctype": "File", "name": "Home", "file_name": "Home", "is_folder": 1, "is_private": 0, "owner": Administrator, "modified_by": Administrator,
		"creation": st.Stamp(), "modified": st.Stamp(), "docstatus": 0, "idx": 0})
	st.Commit()
	return st, nil
}

// dated puts days in for distances.
func dated(doc site.Obj, now time.Time) site.Obj {
	doc = site.Copy(doc)
	for k, v := range doc {
		var days int
		if text, is := v.(string); is && strings.HasPrefix(text, "@") {
			if n, _ := fmt.Sscanf(text, "@%d", &days); n == 1 {
				doc[k] = now.AddDate(0, 0, days).Format("2006-01-02")
			}
		}
	}
	return doc
}

func bulk(n int) []site.Obj {
	var more []site.Obj
	for i := range n {
		name := fmt.Sprintf("Bulk Customer %04d", i+1)
		more = append(more, site.Obj{"doctype": "Customer", "customer_name": name, "customer_group": "Commercial", "territory": "Austria"})
		for j := range 10 {
			more = append(more, site.Obj{"doctype": "Sales Invoice", "customer": name, "company": Company, "docstatus": j % 2,
				"items": []any{site.Obj{"item_code": "SKU003", "qty": float64(1 + j)}}})
		}
	}
	return more
}
