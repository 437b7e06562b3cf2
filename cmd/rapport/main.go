// Command rapport is the whole engine in one binary: the server, the embedded
// store, and the tools that talk to a running server over its HTTP API.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // time zones, where the machine has none

	"github.com/alecthomas/kong"
	"github.com/rapport-crm/rapport/internal/client"
)

// Exit codes.
const (
	exitDone       = 0
	exitFailed     = 1
	exitUsage      = 2
	exitDifference = 3 // a verification found a difference
)

// errDifference ends a verification that found what it looked for.
var errDifference = errors.New("a difference was found")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// cli is the command line. Every flag has an environment variable.
type cli struct {
	Serve    serveCmd    `cmd:"" help:"Serve commands and queries over HTTP, with an embedded store unless --eventstore and --redis name others."`
	Demo     demoCmd     `cmd:"" help:"Serve with a generated, realistic population loaded, and print what to look at."`
	Node     nodeCmd     `cmd:"" help:"Run the embedded EventStoreDB-compatible node alone."`
	Import   importCmd   `cmd:"" help:"Import a file into a running server."`
	Calendar calendarCmd `cmd:"" help:"Close business days, or show the calendar."`
	RFM      rfmCmd      `cmd:"" name:"rfm" help:"Print the RFM scores of all customers: live, or as of any day and by any policy."`
	Loyalty  loyaltyCmd  `cmd:"" help:"Print the points of all members of the loyalty programme, as they are or as they were."`
	Segments segmentsCmd `cmd:"" help:"Print the segments, who belongs to one and why, or install those that come with the program."`
	History  historyCmd  `cmd:"" help:"Print everything that happened to a customer, by whom and why."`
	State    stateCmd    `cmd:"" help:"Print a customer as it is, or as it was."`
	Replay   replayCmd   `cmd:"" help:"Print a customer's state after each event."`
	Diff     diffCmd     `cmd:"" help:"Print what differs between two pasts of a customer."`
	Rebuild  rebuildCmd  `cmd:"" help:"Rebuild a read model, or all, from the log while the old one serves."`
	Verify   verifyCmd   `cmd:"" help:"Prove histories and read models against the log. Exit code 3: a difference was found."`
	Park     parkCmd     `cmd:"" help:"Let the projections pass over one event that cannot be applied."`
	Export   exportCmd   `cmd:"" help:"Print the whole log as NDJSON, still encrypted."`
}

// remote is what every command that talks to a server shares.
type remote struct {
	Server string `help:"Address of the server." default:"http://127.0.0.1:8080" env:"RAPPORT_SERVER"`
	Actor  string `help:"Who you are, as recorded in the history." env:"RAPPORT_ACTOR" default:"${user}"`
}

func (r remote) client() *client.Client { return &client.Client{Server: r.Server, Actor: r.Actor} }

// pass hands what a query answers on as it comes.
func (r remote) pass(ctx context.Context, out io.Writer, path string, query url.Values, accept string) error {
	resp, err := r.client().Do(ctx, http.MethodGet, path, query, http.Header{"Accept": {accept}}, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(out, resp.Body)
	return err
}

// streams is where a command writes.
type streams struct {
	out, err io.Writer
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("rapport"),
		kong.Description("An event-sourced customer-relationship engine. Its history is the system."),
		kong.DefaultEnvars("RAPPORT"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"user": user()},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams{stdout, stderr}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "rapport:", err)
		return exitFailed
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "rapport: %v (--help tells more)\n", err)
		return exitUsage
	}
	switch err := command.Run(); {
	case err == nil:
		return exitDone
	case errors.Is(err, errDifference):
		fmt.Fprintf(stderr, "rapport: %v\n", err)
		return exitDifference
	case errors.As(err, new(usageError)):
		fmt.Fprintf(stderr, "rapport: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "rapport: %v\n", err)
		return exitFailed
	}
}

// usageError is a command line that can never succeed as written.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func user() string {
	for _, name := range []string{"USER", "LOGNAME"} {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return "operator"
}

// zone is a flag that names a time zone.
type zone struct{ *time.Location }

func (z *zone) UnmarshalText(b []byte) (err error) {
	name := strings.TrimSpace(string(b))
	if z.Location, err = time.LoadLocation(name); err != nil {
		return fmt.Errorf("there is no time zone %q; use a name such as Europe/Berlin", name)
	}
	return nil
}
