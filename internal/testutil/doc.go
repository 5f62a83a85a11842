// Package testutil holds what the tests of several packages need alike: a test binary that fails
// when it leaves something behind ([Main]), and a bounded wait for what no event announces
// ([Eventually]). Only _test.go files import it.
//
//	func TestMain(m *testing.M) { testutil.Main(m) }
package testutil
