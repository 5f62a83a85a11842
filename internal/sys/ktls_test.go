package sys

import (
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The answer is that of the kernel's own list, where there is one.
func TestKernelTLS(t *testing.T) {
	got := KernelTLS()
	list, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_ulp") // after the probe, which may load the module
	if err != nil {
		t.Skipf("KernelTLS() = %v; %v", got, err)
	}
	want := unix.ENOENT
	if slices.Contains(strings.Fields(string(list)), "tls") {
		want = 0
	}
	if got != want {
		t.Errorf("KernelTLS() = %v; want %v, as the kernel has %q", got, want, list)
	}
}

// uapi returns the numbers that the kernel's header for user space defines, and its structs' fields in order with their
// sizes, both by name.
func uapi(t *testing.T) (numbers map[string]int, fields map[string][]field) {
	t.Helper()
	text, err := os.ReadFile("/usr/include/linux/tls.h")
	if err != nil {
		t.Skip(err)
	}
	numbers, fields = make(map[string]int), make(map[string][]field)
	for _, m := range regexp.MustCompile(`(?m)^#define (TLS_\w+)\s+(0x[0-9a-f]+|\d+)\b`).FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.ParseInt(m[2], 0, 32)
		if err != nil {
			t.Fatal(err)
		}
		numbers[m[1]] = int(n)
	}
	member := regexp.MustCompile(`unsigned char (\w+)\[(\w+)\]`)
	for _, m := range regexp.MustCompile(`(?s)struct (tls12_crypto_info_\w+) \{(.*?)\n\}`).FindAllStringSubmatch(string(text), -1) {
		for _, f := range member.FindAllStringSubmatch(m[2], -1) {
			fields[m[1]] = append(fields[m[1]], field{f[1], numbers[f[2]]})
		}
	}
	return numbers, fields
}

type field struct {
	name string
	size int
}

// Each key is laid out as the kernel's header has it, field by field.
func TestCryptoInfo(t *testing.T) {
	numbers, fields := uapi(t)
	iv := []byte("salt--iv--12")
	for _, row := range []struct {
		suite        uint16
		cipher, name string
		key          int
		salt         string
		iv           string
		size         int
	}{
		{suiteAES128, "TLS_CIPHER_AES_GCM_128", "tls12_crypto_info_aes_gcm_128", 16, "salt", "--iv--12", 40},
		{suiteAES256, "TLS_CIPHER_AES_GCM_256", "tls12_crypto_info_aes_gcm_256", 32, "salt", "--iv--12", 56},
		{suiteChaCha, "TLS_CIPHER_CHACHA20_POLY1305", "tls12_crypto_info_chacha20_poly1305", 32, "", "salt--iv--12", 56},
	} {
		key := bytes.Repeat([]byte{'k'}, row.key)
		got, errno := appendCryptoInfo(nil, TLSKeys{row.suite, key, iv, 0x0102030405060708})
		if errno != 0 || len(got) != row.size || len(got) > tlsMaxCryptoInfo {
			t.Errorf("%s: %d bytes, %v; want %d", row.name, len(got), errno, row.size)
			continue
		}
		version := numbers["TLS_1_3_VERSION_MAJOR"]<<8 | numbers["TLS_1_3_VERSION_MINOR"]
		if v, c := binary.NativeEndian.Uint16(got), binary.NativeEndian.Uint16(got[2:]); int(v) != version || int(c) != numbers[row.cipher] {
			t.Errorf("%s: version %#x, cipher %d; want %#x, %d", row.name, v, c, version, numbers[row.cipher])
		}
		want := map[string]string{"iv": row.iv, "key": string(key), "salt": row.salt, "rec_seq": "\x01\x02\x03\x04\x05\x06\x07\x08"}
		at := 4
		for _, f := range fields[row.name] {
			if part := string(got[at : at+f.size]); part != want[f.name] {
				t.Errorf("%s: %s is %q; want %q", row.name, f.name, part, want[f.name])
			}
			delete(want, f.name)
			at += f.size
		}
		if at != len(got) || len(want) != 0 {
			t.Errorf("%s: the header has %d bytes, without %v; want %d", row.name, at, want, len(got))
		}
	}
	for name, mine := range map[string]int{
		"TLS_TX": tlsTX, "TLS_RX": tlsRX, "TLS_SET_RECORD_TYPE": tlsSetRecordType, "TLS_GET_RECORD_TYPE": tlsGetRecordType,
	} {
		if numbers[name] != mine {
			t.Errorf("%s = %d; the header has %d", name, mine, numbers[name])
		}
	}
}

// Keys that do not fit their suite are refused before anything happens to the socket.
func TestBadTLSKeys(t *testing.T) {
	good := TLSKeys{suiteAES128, make([]byte, 16), make([]byte, 12), 0}
	for name, bad := range map[string]TLSKeys{
		"suite": {0x1304, make([]byte, 16), make([]byte, 12), 0},
		"key":   {suiteAES256, make([]byte, 16), make([]byte, 12), 0},
		"IV":    {suiteAES128, make([]byte, 16), make([]byte, 8), 0},
	} {
		for _, pair := range [][2]TLSKeys{{bad, good}, {good, bad}} {
			if begun, errno := StartTLS(-1, pair[0], pair[1]); begun || errno != unix.EINVAL {
				t.Errorf("bad %s: StartTLS = %v, %v; want EINVAL", name, begun, errno)
			}
		}
	}
}

// tcpPair returns the descriptors of both ends of a connection.
func tcpPair(t *testing.T) (a, b int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var fds [2]int
	for i, c := range []net.Conn{client, server} {
		f, err := c.(*net.TCPConn).File()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		t.Cleanup(func() { _ = f.Close() })
		fds[i] = int(f.Fd())
	}
	return fds[0], fds[1]
}

// Where the kernel has no TLS, the attempt leaves the socket as it was.
func TestStartTLSWithoutKernel(t *testing.T) {
	if KernelTLS() == 0 {
		t.Skip("this kernel has it")
	}
	a, b := tcpPair(t)
	keys := TLSKeys{suiteAES128, make([]byte, 16), make([]byte, 12), 0}
	if begun, errno := StartTLS(a, keys, keys); begun || errno != unix.ENOENT {
		t.Fatalf("StartTLS = %v, %v; want ENOENT", begun, errno)
	}
	if _, errno := Send(a, []byte("plain")); errno != 0 {
		t.Fatal(errno)
	}
	got := make([]byte, 10)
	if n, kind, errno := RecvRecord(b, got); string(got[:n]) != "plain" || kind != 0 || errno != 0 {
		t.Errorf("RecvRecord = %q, type %d, %v; want plain bytes of no type", got[:n], kind, errno)
	}
}

// Where it has, two kernels with each other's keys understand each other: data, an alert, and the numbers of records.
func TestKernelRecords(t *testing.T) {
	if errno := KernelTLS(); errno != 0 {
		t.Skip(errno)
	}
	for _, suite := range []uint16{suiteAES128, suiteAES256, suiteChaCha} {
		a, b := tcpPair(t)
		size := 32
		if suite == suiteAES128 {
			size = 16
		}
		there := TLSKeys{suite, bytes.Repeat([]byte{1}, size), []byte("there-there-"), 3}
		back := TLSKeys{suite, bytes.Repeat([]byte{2}, size), []byte("back-back-ba"), 1 << 33}
		for fd, keys := range map[int][2]TLSKeys{a: {there, back}, b: {back, there}} {
			if begun, errno := StartTLS(fd, keys[0], keys[1]); !begun || errno != 0 {
				t.Fatalf("suite %#x: StartTLS = %v, %v", suite, begun, errno)
			}
		}
		got := make([]byte, 100)
		for _, fds := range [][2]int{{a, b}, {b, a}} {
			if _, errno := Send(fds[0], []byte("data")); errno != 0 {
				t.Fatal(errno)
			}
			if n, kind, errno := RecvRecord(fds[1], got); string(got[:n]) != "data" || kind != 23 || errno != 0 {
				t.Errorf("suite %#x: RecvRecord = %q, type %d, %v; want data", suite, got[:n], kind, errno)
			}
			if errno := SendRecord(fds[0], 21, []byte{1, 0}); errno != 0 {
				t.Fatal(errno)
			}
			if n, kind, errno := RecvRecord(fds[1], got); string(got[:n]) != "\x01\x00" || kind != 21 || errno != 0 {
				t.Errorf("suite %#x: RecvRecord = %x, type %d, %v; want close_notify", suite, got[:n], kind, errno)
			}
		}
	}
}

// The control message has the layout of the C library's macros, and what is none is not taken for one.
func TestRecordType(t *testing.T) {
	var m recordType
	if size := int(unsafe.Sizeof(m)); size != unix.CmsgSpace(1) {
		t.Errorf("%d bytes; want %d", size, unix.CmsgSpace(1))
	}
	if at := int(unsafe.Offsetof(m.kind)); at != unix.CmsgLen(0) {
		t.Errorf("the type is at byte %d; want %d", at, unix.CmsgLen(0))
	}
	good := recordType{unix.Cmsghdr{Len: uint64(unix.CmsgLen(1)), Level: unix.SOL_TLS, Type: tlsGetRecordType}, 21}
	other := good
	other.header.Level = unix.SOL_SOCKET
	for _, row := range []struct {
		m    recordType
		size int
		want byte
	}{{good, unix.CmsgSpace(1), 21}, {good, unix.CmsgLen(1), 21}, {good, 0, 0}, {other, unix.CmsgSpace(1), 0}} {
		if got := row.m.read(uint64(row.size)); got != row.want {
			t.Errorf("level %d, %d bytes: type %d; want %d", row.m.header.Level, row.size, got, row.want)
		}
	}
}

// On a socket without TLS the type of a record is ignored: the bytes arrive, and the end of the stream is none of a record.
func TestSendRecord(t *testing.T) {
	a, b := tcpPair(t)
	if errno := SendRecord(a, 21, []byte{1, 0}); errno != 0 {
		t.Fatal(errno)
	}
	got := make([]byte, 10)
	if n, _, errno := RecvRecord(b, got); string(got[:n]) != "\x01\x00" || errno != 0 {
		t.Errorf("RecvRecord = %x, %v; want 0100", got[:n], errno)
	}
	if errno := ShutdownWrite(a); errno != 0 {
		t.Fatal(errno)
	}
	if n, kind, errno := RecvRecord(b, got); n != 0 || kind != 0 || errno != 0 {
		t.Errorf("RecvRecord at the end = %d, %d, %v; want nothing", n, kind, errno)
	}
	if _, _, errno := RecvRecord(-1, got); errno != unix.EBADF {
		t.Errorf("RecvRecord(-1) = %v; want EBADF", errno)
	}
}
