package desk

import (
	"context"
	"slices"
	"strings"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
)

// ProfileStore keeps profiles.
type ProfileStore interface {
	Profiles(ctx context.Context) ([]account.Profile, error)
	Profile(ctx context.Context, name string) (account.Profile, error)
	SaveProfile(ctx context.Context, p account.Profile) error
	// DeleteProfile fails with Conflict while something is bound to the profile.
	DeleteProfile(ctx context.Context, name string) error
}

// Profiles is the desk for profiles.
type Profiles struct {
	*book
	store ProfileStore
}

// List is all profiles by name.
func (p *Profiles) List(ctx context.Context) ([]account.Profile, error) {
	if _, err := caller(ctx); err != nil {
		return nil, err
	}
	profiles, err := p.store.Profiles(ctx)
	slices.SortFunc(profiles, func(a, b account.Profile) int { return strings.Compare(a.Name, b.Name) })
	return profiles, err
}

// Get is one profile.
func (p *Profiles) Get(ctx context.Context, name string) (account.Profile, error) {
	if _, err := caller(ctx); err != nil {
		return account.Profile{}, err
	}
	return p.store.Profile(ctx, name)
}

// Create makes a profile whose name is not taken.
func (p *Profiles) Create(ctx context.Context, profile account.Profile) (account.Profile, error) {
	err := p.change(ctx, "profile.create", profile.Name, func(account.Principal, *string) error {
		if err := checkProfile(&profile); err != nil {
			return err
		}
		switch _, err := p.store.Profile(ctx, profile.Name); {
		case err == nil:
			return fault.New(fault.Conflict, "There is already a profile %q. Choose another name, or change that one.", profile.Name)
		case fault.CodeOf(err) != fault.NotFound:
			return err
		}
		return p.store.SaveProfile(ctx, profile)
	})
	return profile, err
}

// Save makes a profile or replaces the one of its name.
func (p *Profiles) Save(ctx context.Context, profile account.Profile) (account.Profile, error) {
	err := p.change(ctx, "profile.change", profile.Name, func(account.Principal, *string) error {
		if err := checkProfile(&profile); err != nil {
			return err
		}
		return p.store.SaveProfile(ctx, profile)
	})
	return profile, err
}

func checkProfile(p *account.Profile) error {
	if p.Title == "" {
		p.Title = p.Name
	}
	return invalid(p.Check(), "The profile cannot be saved")
}

// Delete removes a profile to which nothing is bound.
func (p *Profiles) Delete(ctx context.Context, name string) error {
	return p.change(ctx, "profile.delete", name, func(account.Principal, *string) error {
		return p.store.DeleteProfile(ctx, name)
	})
}
