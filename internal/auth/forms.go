package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	"drawbridge/internal/fault"
	"drawbridge/internal/web"
)

// FormField is the hidden field that holds a form's token.
const FormField = "form_token"

var errForm = fault.New(fault.Forbidden, "This form belongs to another sign-in. Load the page again and repeat it there.")

// FormToken is what a form of the admin pages carries to show that this browser's
// session got it; "" for a caller who brought no cookie.
func FormToken(r *http.Request) string {
	token := web.Cookie(r, web.SignInCookie)
	if token == "" {
		return ""
	}
	// The cookie is 256 random bits, so it can be the key; the token does not give it
	// away.
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(FormField))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// CheckForm refuses a form that was not made for the browser session it comes with.
// A caller with a credential in a header has none, and nothing that a browser would
// send by itself.
func CheckForm(r *http.Request) error {
	if len(r.Header["Authorization"]) > 0 {
		return nil
	}
	want := FormToken(r)
	if want == "" {
		return errForm
	}
	if err := r.ParseForm(); err != nil {
		return fault.Wrap(err, fault.Invalid, "The form did not arrive whole. Send it again.")
	}
	if got := r.PostForm[FormField]; len(got) != 1 || !hmac.Equal([]byte(got[0]), []byte(want)) {
		return errForm
	}
	return nil
}
