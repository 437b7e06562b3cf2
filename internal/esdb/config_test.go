package esdb_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"log"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/esdb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A connection string that is wrong is refused with the reason and without its password.
func TestConnectionStrings(t *testing.T) {
	for url, want := range map[string]string{
		"esdb://ann:secret@127.0.0.1:1?tls=false&keepAliveInterval=100":                     "",
		"esdb+discover://ann:secret@cluster.invalid:2113":                                   "",
		"esdb://ann:secret@n1:2113,n2:2113,n3:2113?nodePreference=follower&gossipTimeout=1": "",
		"esdb://n1,n2?defaultDeadline=5000":                                                 "",
		"":                                                                                  "exactly one",
		"http://ann:secret@host":                                                            "scheme",
		"esdb://ann:secret@host:port":                                                       "port",
		"esdb://ann:secret@h:1,h:x":                                                         "port",
		"esdb://ann:secret@host?tsl=false":                                                  `unknown setting "tsl"`,
		"esdb://ann:secret@host?tls=perhaps":                                                "tls",
		"esdb://ann:secret@host?defaultDeadline=0":                                          "defaultDeadline",
		"esdb://ann:secret@host?userCertFile=/x.pem":                                        "userKeyFile",
		"esdb://ann:secret@host?tlsCAFile=/does/not/exist":                                  "/does/not/exist",
		"esdb://ann:secret@host?%zz":                                                        "settings",
		"esdb://ann:secret@host?keepAliveInterval=often":                                    "keepAliveInterval",
	} {
		var printed bytes.Buffer
		log.SetOutput(&printed)
		store, err := esdb.Open(esdb.Config{URL: url})
		log.SetOutput(os.Stderr)
		if err == nil {
			_ = store.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the password is in the error: %v", url, err)
		}
		if printed.Len() > 0 {
			t.Errorf("%s: printed %q", url, &printed)
		}
	}
}

// Credentials that will not be sent are worth a warning.
func TestCredentialsWithoutTLS(t *testing.T) {
	var logged bytes.Buffer
	open(t, esdb.Config{URL: "esdb://ann:secret@127.0.0.1:1?tls=false", Logger: slog.New(slog.NewTextHandler(&logged, nil))}).Close()
	if !strings.Contains(logged.String(), "credentials are not sent") || strings.Contains(logged.String(), "secret") {
		t.Errorf("logged %q", &logged)
	}
}

// certificate makes a self-signed certificate for 127.0.0.1, and its file.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// TLS with an authority of one's own and a password; without the authority or
// with a wrong password nothing works, and the error says why.
func TestTLSAndPassword(t *testing.T) {
	cert, file := certificate(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:secret"))
	check := func(ctx context.Context) error {
		if md, _ := metadata.FromIncomingContext(ctx); len(md.Get("authorization")) != 1 || md.Get("authorization")[0] != want {
			return status.Error(codes.Unauthenticated, "who are you")
		}
		return nil
	}
	serveOn(t, &fake{}, listener, grpc.Creds(credentials.NewServerTLSFromCert(&cert)),
		grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := check(s.Context()); err != nil {
				return err
			}
			return next(srv, s)
		}))
	try := func(url string) error {
		store := open(t, esdb.Config{URL: url, Patience: time.Second})
		if _, err := store.Append(t.Context(), "s", 3, []eventschema.Raw{event(1)}); err != nil {
			return err
		}
		if _, err := collect(t.Context(), store, "s"); err != nil {
			return err
		}
		return store.Ping(t.Context())
	}
	at := listener.Addr().String()
	for url, want := range map[string]string{
		"esdb://ann:secret@" + at + "?tlsCAFile=" + file:   "",
		"esdb://ann:secret@" + at + "?tlsVerifyCert=false": "",
		"esdb://ann:guess@" + at + "?tlsCAFile=" + file:    "Unauthenticated",
		"esdb://ann:secret@" + at:                          "certificate",
		"esdb://ann:secret@" + at + "?tls=false":           "log_unavailable",
	} {
		if err := try(url); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}
