package sys

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What linux/tls.h has and golang.org/x/sys has not.
const (
	tlsTX            = 1 // socket options of SOL_TLS
	tlsRX            = 2
	tlsSetRecordType = 1 // control messages of SOL_TLS
	tlsGetRecordType = 2

	tlsVersion13     = 0x0304
	tlsAESGCM128     = 51
	tlsAESGCM256     = 52
	tlsChaChaPoly    = 54
	tlsMaxCryptoInfo = 56 // bytes
)

// The suites of TLS 1.3 that a kernel knows (RFC 8446 appendix B.4).
const (
	suiteAES128 = 0x1301
	suiteAES256 = 0x1302
	suiteChaCha = 0x1303
)

// TLSKeys protect one direction of a conn of TLS 1.3 from its next record on, number Seq. A key has 16 or 32 bytes, as its
// suite says, and an IV 12.
type TLSKeys struct {
	Suite uint16
	Key   []byte
	IV    []byte
	Seq   uint64
}

// KernelTLS asks whether this kernel can do TLS records, and returns 0 if so: a TCP socket without a peer is refused with
// ENOTCONN by the upper layer protocol "tls" if there is one, and with ENOENT if there is none. With CAP_NET_ADMIN the kernel
// loads the module.
func KernelTLS() syscall.Errno {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err.(syscall.Errno)
	}
	defer Close(fd)
	errno := setTLS(fd)
	if errno == unix.ENOTCONN {
		return 0
	}
	return errno
}

// StartTLS has the kernel do the records of a connected TCP socket from the next byte on, in both directions, which must be of one
// suite. With begun false and an error the socket is as it was; with begun true and an error it is of no use any more. It may allocate
// and load modules, so it is no raw call.
func StartTLS(fd int, tx, rx TLSKeys) (begun bool, errno syscall.Errno) {
	send, errno := appendCryptoInfo(nil, tx)
	if errno != 0 {
		return false, errno
	}
	defer clear(send)
	receive, errno := appendCryptoInfo(nil, rx)
	if errno != 0 {
		return false, errno
	}
	defer clear(receive)
	if errno = setTLS(fd); errno != 0 {
		return false, errno
	}
	if errno = setOption(fd, unix.SOL_TLS, tlsTX, send); errno != 0 {
		return false, errno // without keys the protocol lets everything pass
	}
	return true, setOption(fd, unix.SOL_TLS, tlsRX, receive)
}

// setTLS puts the upper layer protocol "tls" on a socket.
func setTLS(fd int) syscall.Errno {
	return setOption(fd, unix.IPPROTO_TCP, unix.TCP_ULP, []byte("tls"))
}

// setOption is setsockopt(2).
func setOption(fd, level, option int, value []byte) syscall.Errno {
	_, _, errno := syscall.Syscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(len(value)), 0)
	return errno
}

// appendCryptoInfo appends k as a struct tls12_crypto_info of its cipher, which is that of TLS 1.3 too:
//
//	bytes 0-1   version, and 2-3 cipher, both in the host's order
//	then        iv, key, salt, rec_seq without padding
//
// The twelve bytes of an IV are salt and iv for AES-GCM (4 and 8), and all iv for ChaCha20-Poly1305.
func appendCryptoInfo(dst []byte, k TLSKeys) ([]byte, syscall.Errno) {
	cipher, size, salt := 0, 0, 4
	switch k.Suite {
	case suiteAES128:
		cipher, size = tlsAESGCM128, 16
	case suiteAES256:
		cipher, size = tlsAESGCM256, 32
	case suiteChaCha:
		cipher, size, salt = tlsChaChaPoly, 32, 0
	}
	if cipher == 0 || len(k.Key) != size || len(k.IV) != 12 {
		return dst, unix.EINVAL
	}
	dst = append(make([]byte, 0, tlsMaxCryptoInfo), dst...) // at once: growth would leave copies of a key
	dst = binary.NativeEndian.AppendUint16(dst, tlsVersion13)
	dst = binary.NativeEndian.AppendUint16(dst, uint16(cipher))
	dst = append(dst, k.IV[salt:]...)
	dst = append(dst, k.Key...)
	dst = append(dst, k.IV[:salt]...)
	return binary.BigEndian.AppendUint64(dst, k.Seq), 0
}

// recordType is a control message with the type of a record: header, one byte, padding.
type recordType struct {
	header unix.Cmsghdr
	kind   byte
}

// RecvRecord is recvmsg(2) on a socket whose records the kernel does, raw: what records of one type have carried, and that
// type. 0 bytes of type 0 are the end of the stream, but 0 bytes of another type are an empty record.
func RecvRecord(fd int, b []byte) (n int, kind byte, errno syscall.Errno) {
	var about recordType
	iov := unix.Iovec{Base: unsafe.SliceData(b), Len: uint64(len(b))}
	msg := unix.Msghdr{Iov: &iov, Iovlen: 1, Control: (*byte)(unsafe.Pointer(&about)), Controllen: uint64(unsafe.Sizeof(about))}
	got, _, errno := syscall.RawSyscall(syscall.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), 0)
	if n, errno = count(got, errno); errno != 0 {
		return 0, 0, errno
	}
	return n, about.read(msg.Controllen), 0
}

// read returns the type that size bytes of control messages say, 0 if none.
func (m *recordType) read(size uint64) byte {
	if size < unix.SizeofCmsghdr+1 || m.header.Level != unix.SOL_TLS || m.header.Type != tlsGetRecordType {
		return 0
	}
	return m.kind
}

// SendRecord is sendmsg(2) of one record of a type on a socket whose records the kernel does, raw. It is sent whole or not at
// all.
func SendRecord(fd int, kind byte, b []byte) syscall.Errno {
	about := recordType{kind: kind}
	about.header = unix.Cmsghdr{Level: unix.SOL_TLS, Type: tlsSetRecordType}
	about.header.SetLen(unix.CmsgLen(1))
	iov := unix.Iovec{Base: unsafe.SliceData(b), Len: uint64(len(b))}
	msg := unix.Msghdr{Iov: &iov, Iovlen: 1, Control: (*byte)(unsafe.Pointer(&about)), Controllen: uint64(unsafe.Sizeof(about))}
	_, _, errno := syscall.RawSyscall(syscall.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), unix.MSG_NOSIGNAL)
	return errno
}
