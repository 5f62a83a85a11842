// Package testutil holds what the tests of several packages need alike: a test binary that fails
// when it leaves something behind ([Main]), a bounded wait for what no event announces ([Eventually]),
// what somebody else says ([Book]), an address where nobody listens ([Nobody]), certificates
// ([SelfSigned]), and docs held against code ([CompareDocs]). Only tests and their helpers import it.
//
//	func TestMain(m *testing.M) { testutil.Main(m) }
package testutil

// Nobody is an address of the loopback where nobody listens: no port that the kernel gives to those who ask for any.
const Nobody = "127.0.0.1:1"
