package esnode

import (
	"strconv"
	"strings"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

// linkType is the type of an event that stands for another one: its data is
// "revision@stream".
const linkType = "$>"

// takeLink puts a link into the page with the event it leads to, or alone if
// that is missing. What does not read as a link is an event like others.
func (r *reader) takeLink(link *eventlog.Record) {
	number, stream, ok := strings.Cut(string(link.Data), "@")
	revision, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || revision < 0 || stream == "" {
		r.page.event(link, nil)
		return
	}
	found := false
	err = r.log.Event(stream, revision, func(target *eventlog.Record) {
		r.page.event(target, link)
		found = true
	})
	if !found || err != nil {
		r.page.event(nil, link)
	}
}
