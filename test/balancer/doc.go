// Package balancer runs the HAProxy and the nginx of this machine between tests and two nodes, with the files of deploy/:
// only addresses are replaced, and limits that the machine may not have.
//
//	site := balancer.NewSite(t)          // addresses that nobody uses
//	// start nodes at site.Nodes[0] and site.Nodes[1]
//	front := balancer.HAProxy(t, program, "haproxy/haproxy.cfg", site.Fronts[0], site, 1000)
//	conn, err := net.Dial("tcp", front.Address.String())
//	front.AwaitLast("node1-8000", "DOWN") // what it says of its nodes' health
//
// A balancer ends with its test.
package balancer
