// Package page draws the report of a flood: as one HTML page that needs nothing from elsewhere, and as SVG files.
//
//	err := page.Write(w, report)
//	err = page.WriteSVGs("plots", report)
//
// All that it shows is in the report, so that one read back from JSON makes the same page. It has no goroutines.
package page
