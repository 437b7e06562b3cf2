package redisdb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// The oldest Redis that is served.
const oldestMajor, oldestMinor = 6, 2

// report is what check found.
type report struct {
	version string
	cluster bool
	nodes   int
}

func (r report) describe(to target) string {
	version := r.version
	if version == "" {
		version = "(version unknown)"
	}
	if to.cluster != nil {
		return fmt.Sprintf("Redis Cluster %s of %d masters, at %s", version, r.nodes, to)
	}
	return fmt.Sprintf("Redis %s at %s", version, to)
}

// check asks every master whether it can serve. What it may not ask, or what
// may do harm later, becomes a warning.
func (db *DB) check(ctx context.Context) (report, error) {
	var mu sync.Mutex
	var all report
	warned := map[string]bool{}
	err := db.masters(ctx, func(ctx context.Context, c *redis.Client) error {
		one, warnings, err := checkNode(ctx, c)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		all.nodes++
		all.version, all.cluster = one.version, one.cluster
		for _, w := range warnings {
			if !warned[w] {
				warned[w] = true
				db.Warnings = append(db.Warnings, w)
			}
		}
		return nil
	})
	return all, err
}

func checkNode(ctx context.Context, c *redis.Client) (r report, warnings []string, err error) {
	if err := c.Ping(ctx).Err(); err != nil {
		return r, nil, err
	}
	info, err := c.Info(ctx, "server").Result()
	switch {
	case refused(err):
		warnings = append(warnings, "Redis does not tell its version (INFO is not allowed)")
	case err != nil:
		return r, nil, err
	default:
		r.version = infoField(info, "redis_version")
		r.cluster = infoField(info, "redis_mode") == "cluster"
		if older(r.version) {
			return r, nil, fmt.Errorf("it is version %s; at least %d.%d is needed", r.version, oldestMajor, oldestMinor)
		}
	}
	if info, err := c.Info(ctx, "replication").Result(); err == nil && infoField(info, "role") == "slave" {
		return r, nil, errors.New("it is a replica, which cannot be written; name its master in REDIS_URL")
	}
	settings, err := c.ConfigGet(ctx, "maxmemory*").Result()
	switch {
	case refused(err):
		return r, append(warnings, "Redis does not tell its settings (CONFIG is not allowed): make sure that maxmemory-policy is noeviction"), nil
	case err != nil:
		return r, nil, err
	}
	policy, limited := settings["maxmemory-policy"], settings["maxmemory"] != "0"
	switch {
	case policy == "noeviction":
	case strings.HasPrefix(policy, "allkeys-") && limited:
		return r, nil, fmt.Errorf("it deletes data when memory is short (maxmemory-policy %s), and queries would be wrong; use: CONFIG SET maxmemory-policy noeviction", policy)
	default:
		warnings = append(warnings, fmt.Sprintf("Redis has maxmemory-policy %s; it should be noeviction", policy))
	}
	return r, warnings, nil
}

// refused says that the server does not know or allow a command.
func refused(err error) bool {
	if err == nil {
		return false
	}
	text := strings.ToLower(err.Error())
	for _, sign := range []string{"noperm", "unknown command", "unknown subcommand", "not supported", "not allowed", "no permissions"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

func older(version string) bool {
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return false
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err != nil || err2 != nil {
		return false
	}
	return major < oldestMajor || major == oldestMajor && minor < oldestMinor
}

// infoField returns the value of a line of INFO, "" if it is not there.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
