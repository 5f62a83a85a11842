package frame
import ("testing";"syscall";"bytes";"io";"github.com/gobwas/ws";"strings")
func cpu() int64 { var u syscall.Rusage; syscall.Getrusage(0,&u); return u.Utime.Nano()+u.Stime.Nano() }
type rw struct{ io.Reader; io.Writer }
func BenchmarkTmp(b *testing.B) {
	head, lim := []byte(browserRequest), testLimits
	b.Run("parse", func(b *testing.B){ var r Request; t:=cpu(); for i:=0;i<b.N;i++ { ParseRequest(head,0,&lim,&r) }; b.ReportMetric(float64(cpu()-t)/float64(b.N),"cpu-ns") })
	b.Run("headEnd", func(b *testing.B){ t:=cpu(); for i:=0;i<b.N;i++ { headEnd(head,0) }; b.ReportMetric(float64(cpu()-t)/float64(b.N),"cpu-ns") })
	b.Run("ws", func(b *testing.B){ t:=cpu(); rd:=bytes.NewReader(head); for i:=0;i<b.N;i++ { rd.Reset(head); if _,err:=ws.Upgrade(rw{rd,io.Discard}); err!=nil {b.Fatal(err)} }; b.ReportMetric(float64(cpu()-t)/float64(b.N),"cpu-ns") })
	wire := AppendMasked(nil, [4]byte{}, OpText, []byte(strings.Repeat("a",64)), false)
	o := Options{MaxMessage: 1 << 20, MaxFragments: 16}
	var s Stream
	b.Run("next", func(b *testing.B){ t:=cpu(); for i:=0;i<b.N;i++ { s.Next(wire,&o) }; b.ReportMetric(float64(cpu()-t)/float64(b.N),"cpu-ns") })
}
