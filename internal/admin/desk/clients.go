package desk

import (
	"context"
	"crypto/rand"
	"regexp"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
)

// ClientStore keeps OAuth clients.
type ClientStore interface {
	ClientLister
	ClientEditor
}

// ClientLister reads clients.
type ClientLister interface {
	Client(ctx context.Context, id string) (oauth.Client, error)
	Clients(ctx context.Context) ([]oauth.Client, error)
}

// ClientEditor changes clients. It fails with NotFound where the user that a machine
// shall act for does not exist.
type ClientEditor interface {
	CreateClient(ctx context.Context, c oauth.Client) error
	ChangeClient(ctx context.Context, id string, change func(*oauth.Client) error) (oauth.Client, error)
	// DeleteClient ends the client's grants and codes with it.
	DeleteClient(ctx context.Context, id string) error
}

// Clients is the desk for OAuth clients.
type Clients struct {
	*book
	store     ClientStore
	httpHosts []string
}

// NewClient is what a client that an admin enters shall be.
type NewClient struct {
	ID            string // "": one is made up
	Metadata      oauth.Metadata
	MayAdmin      bool
	MachineUser   string // whom it acts for with client_credentials
	MachineRights account.Rights
}

// ClientChange is what shall be different about a client; nil stays as it is. Only
// MayAdmin can be changed of a client that describes itself.
type ClientChange struct {
	Name          *string
	Redirects     *[]string
	MayAdmin      *bool
	MachineUser   *string
	MachineRights *account.Rights
}

// List is all clients, the newest first.
func (c *Clients) List(ctx context.Context) ([]oauth.Client, error) {
	if _, err := caller(ctx); err != nil {
		return nil, err
	}
	clients, err := c.store.Clients(ctx)
	slices.SortStableFunc(clients, func(a, b oauth.Client) int { return b.Created.Compare(a.Created) })
	return clients, err
}

// Get is one client.
func (c *Clients) Get(ctx context.Context, id string) (oauth.Client, error) {
	if _, err := caller(ctx); err != nil {
		return oauth.Client{}, err
	}
	return c.store.Client(ctx, id)
}

// Create enters a client. It returns its secret if it is one that has a secret.
func (c *Clients) Create(ctx context.Context, n NewClient) (client oauth.Client, value secret.String, err error) {
	err = c.change(ctx, "client.create", n.ID, func(_ account.Principal, target *string) error {
		client = oauth.Client{
			ID: n.ID, Kind: oauth.Static, Metadata: n.Metadata, MayAdmin: n.MayAdmin,
			MachineUser: n.MachineUser, MachineRights: n.MachineRights, Created: time.Now(),
		}
		if client.ID == "" {
			client.ID = "client_" + strings.ToLower(rand.Text()[:12])
		}
		*target = client.ID
		if len(client.Metadata.GrantTypes) == 0 {
			client.Metadata.GrantTypes = grantTypes(n)
		}
		if err := c.check(&client); err != nil {
			return err
		}
		if m := client.Metadata.AuthMethod; m == oauth.AuthPost || m == oauth.AuthBasic {
			value, client.SecretHash = secret.NewToken(oauth.PrefixSecret)
		}
		return c.store.CreateClient(ctx, client)
	})
	if err != nil {
		return oauth.Client{}, secret.String{}, err
	}
	return client, value, nil
}

// grantTypes are those that a client needs for what it is given.
func grantTypes(n NewClient) (types []string) {
	if len(n.Metadata.RedirectURIs) > 0 || n.MachineUser == "" {
		types = append(types, oauth.GrantCode, oauth.GrantRefresh)
	}
	if n.MachineUser != "" {
		types = append(types, oauth.GrantMachine)
	}
	return types
}

var clientID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// check says what is wrong with a client that an admin enters, and completes it.
// It reads nothing: it also runs inside of the store's transaction.
func (c *Clients) check(client *oauth.Client) error {
	// Other kinds of client are known by how their id begins.
	if !clientID.MatchString(client.ID) || strings.HasPrefix(client.ID, oauth.PrefixClient) {
		return fault.New(fault.Invalid, "The client id %q cannot be used. Use 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit, and no %s in front; or leave it out.", client.ID, oauth.PrefixClient)
	}
	if err := invalid(account.CheckName("client name", client.Metadata.Name), "The client cannot be saved"); err != nil {
		return err
	}
	if err := client.Metadata.Complete(oauth.AuthBasic, c.httpHosts); err != nil {
		return fault.New(fault.Invalid, "%s", err.Public)
	}
	machine := slices.Contains(client.Metadata.GrantTypes, oauth.GrantMachine)
	switch {
	case !machine && client.MachineUser == "":
		return nil
	case !machine:
		return fault.New(fault.Invalid, "A user for a machine is named, but the client does not use client_credentials. Add that grant type, or leave the user out.")
	case client.MachineUser == "":
		return fault.New(fault.Invalid, "A client that uses client_credentials acts for a user. Name one.")
	case client.Metadata.AuthMethod == oauth.AuthNone:
		return fault.New(fault.Invalid, "A client that uses client_credentials has to prove who it is. Choose a secret or private_key_jwt.")
	}
	return invalid(client.MachineRights.Check(), "The client cannot be saved")
}

// Change changes a client. A change is checked like a new client.
func (c *Clients) Change(ctx context.Context, id string, change ClientChange) (client oauth.Client, err error) {
	err = c.change(ctx, "client.change", id, func(account.Principal, *string) error {
		own := change.Name != nil || change.Redirects != nil || change.MachineUser != nil || change.MachineRights != nil
		client, err = c.store.ChangeClient(ctx, id, func(client *oauth.Client) error {
			set(&client.MayAdmin, change.MayAdmin)
			if !own {
				return nil
			}
			if client.Kind != oauth.Static {
				return fault.New(fault.Conflict, "The client describes itself. Only whether it may ask for admin can be changed.")
			}
			set(&client.Metadata.Name, change.Name)
			set(&client.Metadata.RedirectURIs, change.Redirects)
			set(&client.MachineUser, change.MachineUser)
			set(&client.MachineRights, change.MachineRights)
			return c.check(client)
		})
		return err
	})
	return client, err
}

// NewSecret gives a client that an admin entered another secret; the old one is no
// good any more.
func (c *Clients) NewSecret(ctx context.Context, id string) (client oauth.Client, value secret.String, err error) {
	var hash [32]byte
	value, hash = secret.NewToken(oauth.PrefixSecret)
	err = c.change(ctx, "client.secret", id, func(account.Principal, *string) error {
		client, err = c.store.ChangeClient(ctx, id, func(client *oauth.Client) error {
			if client.Kind != oauth.Static || !client.HasSecret() {
				return fault.New(fault.Conflict, "The client has no secret. Enter one that uses client_secret_basic, and delete this one.")
			}
			client.SecretHash = hash
			return nil
		})
		return err
	})
	if err != nil {
		return oauth.Client{}, secret.String{}, err
	}
	return client, value, nil
}

// Delete removes a client, and with it every grant it has.
func (c *Clients) Delete(ctx context.Context, id string) error {
	return c.change(ctx, "client.delete", id, func(account.Principal, *string) error {
		return c.store.DeleteClient(ctx, id)
	})
}
