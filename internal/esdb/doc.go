// Package esdb keeps the event log in EventStoreDB. Store implements
// commands.Log on the official client and adds what that client leaves to its
// user: it survives a store that goes away and comes back, no call outlives its
// context, and following the log resumes where it stopped.
//
// # Connection strings
//
// Config.URL is the connection string of the official clients. Its settings
// choose cluster discovery, encryption, credentials and certificates:
//
//	esdb://127.0.0.1:2113?tls=false                          a node for development
//	esdb://user:pass@db.example:2113                         one node, TLS (the default) and a password
//	esdb://user:pass@db.example:2113?tlsCAFile=/etc/ca.pem   a certificate authority of one's own
//	esdb://user:pass@n1:2113,n2:2113,n3:2113?nodePreference=leader
//	                                                         a cluster by its members (gossip seeds)
//	esdb+discover://user:pass@cluster.example:2113           a cluster by a DNS name
//	esdb://db.example:2113?userCertFile=/etc/me.pem&userKeyFile=/etc/me.key
//	                                                         a client certificate instead of a password
//
// Settings: tls, tlsVerifyCert, tlsCAFile, userCertFile, userKeyFile,
// nodePreference (leader, follower, random, readonlyreplica), gossipTimeout (s),
// keepAliveInterval, keepAliveTimeout, defaultDeadline (ms). A misspelt setting is
// an error. discoveryInterval and maxDiscoverAttempts are accepted and not
// used: a Store goes on trying for as long as it is open. Credentials travel only
// over TLS; with tls=false they are not sent, which Open logs. Hosts are names or
// IPv4 addresses; the client cannot parse IPv6 literals.
//
// Config.Address is a gRPC target without TLS instead, such as
// "unix:///run/rapport/node.sock" of the embedded node.
//
// # Servers
//
// EventStoreDB 23.10 or later (an older one never says that a subscription is
// caught up, so that Page.Live stays false), KurrentDB, and the embedded node.
// Servers before 22.6 do not tell positions when a stream is read: Raw.Position is
// then 0. With nodePreference=leader, the default, every call but Follow asks
// for the leader (the client itself never sends that header), so that a read sees every
// append that was acknowledged, also just after an election.
//
// # How it lives through outages
//
// A client of the library dies for good when it cannot find a node, can block
// for ever in a call, leaks its connection when it looks for another node, and panics when it
// is closed while a call fails. So a client is used for one session only: at
// the first sign that the store is unavailable the session is retired, takes no
// more calls, and is closed when its last call has ended; a line makes the next one, with
// back-off. Every call of the library runs in a goroutine of its own that turns
// a panic into an error; the caller waits for it or for its context.
package esdb
