package netpoll

import (
	"fmt"

	"github.com/seed4ac54ce5/edge/internal/sys"
)

// KernelTLS returns nil if the kernel can do TLS records, and else why it cannot. The question may load a module.
func KernelTLS() error {
	if errno := sys.KernelTLS(); errno != 0 {
		return fmt.Errorf("netpoll: TCP_ULP tls: %w", errno)
	}
	return nil
}
