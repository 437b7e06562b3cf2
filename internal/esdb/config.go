package esdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// Config says where the event store is. One of URL and Address is required.
type Config struct {
	URL     string // connection string, see the package comment
	Address string // gRPC target without TLS, such as "unix:///run/rapport/node.sock"

	// Connections is how many connections reads and appends are spread over;
	// 0 means DefaultConnections. Following has a connection of its own. On two
	// cores one was best by the clock and in processor time (64 writers; 2 and 4
	// cost 7 % more); where cores abound, more may spread the work of a connection.
	Connections int

	// Patience is how long a read or append may wait for the store to come
	// back before it fails, if its context does not end sooner; 0 means
	// DefaultPatience. Follow waits for ever.
	Patience time.Duration

	Logger *slog.Logger // nil: nothing is logged
}

// What a zero Config means.
const (
	DefaultConnections = 1
	DefaultPatience    = 5 * time.Second
)

// settings are the names a connection string may use, in lower case.
var settings = map[string]bool{
	"discoveryinterval": true, "gossiptimeout": true, "maxdiscoverattempts": true, "nodepreference": true,
	"keepaliveinterval": true, "keepalivetimeout": true, "tls": true, "tlsverifycert": true, "tlscafile": true,
	"usercertfile": true, "userkeyfile": true, "defaultdeadline": true,
}

// leastKeepAlive is what gRPC raises shorter intervals to.
const leastKeepAlive = 10 * time.Second

// client returns the configuration of the library's clients.
func (c Config) client(log *slog.Logger) (*esdb.Configuration, error) {
	var conf *esdb.Configuration
	switch {
	case (c.URL == "") == (c.Address == ""):
		return nil, errors.New("esdb: exactly one of URL and Address must be given")
	case c.URL != "":
		var err error
		if conf, err = parse(c.URL); err != nil {
			return nil, fmt.Errorf("esdb: connection string: %w", err)
		}
		if conf.DisableTLS && conf.Username != "" {
			log.Warn("the event store's credentials are not sent, because the connection string says tls=false")
		}
	default:
		// The shortest string gives the library's defaults.
		var err error
		if conf, err = esdb.ParseConnectionString("esdb://embedded?tls=false"); err != nil {
			return nil, fmt.Errorf("esdb: %w", err)
		}
		conf.Address = c.Address
	}
	// One attempt per client: the line makes the next client, with back-off.
	conf.MaxDiscoverAttempts = 1
	conf.DiscoveryInterval = 1
	// What fails is returned to the caller; what is lost or found is logged by the line.
	conf.Logger = func(level esdb.LogLevel, format string, args ...any) {
		if log.Enabled(context.Background(), slog.LevelDebug) {
			log.Debug("event store client: "+fmt.Sprintf(format, args...), "level", level)
		}
	}
	if err := conf.Validate(); err != nil {
		return nil, fmt.Errorf("esdb: %w", err)
	}
	return conf, nil
}

// parse reads a connection string. The library prints what it does not know to
// the standard log, takes a bad deadline for none at all, and quotes passwords in
// its errors; parse refuses the first two and leaves out the last.
func parse(s string) (*esdb.Configuration, error) {
	head, query, _ := strings.Cut(s, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("the settings after ? cannot be read")
	}
	keepAlive := time.Duration(0)
	for key, list := range values {
		name := strings.ToLower(key)
		if !settings[name] {
			return nil, fmt.Errorf("unknown setting %q", key)
		}
		switch ms, err := strconv.Atoi(list[0]); name {
		case "keepaliveinterval":
			if err == nil && ms >= 0 && time.Duration(ms)*time.Millisecond < leastKeepAlive {
				keepAlive = leastKeepAlive
				values.Del(key)
			}
		case "defaultdeadline":
			if err != nil || ms <= 0 {
				return nil, fmt.Errorf("%s must be a positive number of milliseconds", key)
			}
		}
	}
	conf, err := esdb.ParseConnectionString(head + "?" + values.Encode())
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err
		}
		return nil, err
	}
	if keepAlive > 0 {
		conf.KeepAliveInterval = keepAlive
	}
	return conf, nil
}
