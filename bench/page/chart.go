package page

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// chart is one plot, both of whose axes begin at zero.
type chart struct {
	name   string // of its file, without .svg
	title  string
	unit   string // what the y axis counts
	scale  scale  // of the y axis
	across axis   // the x axis
	lines  []line
	phases []phase
}

// line is one series. A NaN is a gap.
type line struct {
	name   string
	points plotter.XYs
}

// phase is where a part of the run begins.
type phase struct {
	at   float64
	name string
}

// axis is what stands below a chart.
type axis struct {
	label string
	max   float64
	ticks []plot.Tick
}

// size of a chart, in points.
const (
	width  = 720
	height = 250
	header = 40 // above the data: title, unit, names of the lines
)

// The colours, as they are in a file of its own. Within a page each stands for a variable of the style sheet: see themed.
var (
	ink    = color.RGBA{0x1f, 0x23, 0x28, 0xff}
	muted  = color.RGBA{0x59, 0x63, 0x6e, 0xff}
	grid   = color.RGBA{0xd8, 0xde, 0xe4, 0xff}
	ground = color.RGBA{0xff, 0xff, 0xfe, 0xff}
	series = []color.RGBA{{0x09, 0x69, 0xda, 0xff}, {0xbc, 0x4c, 0x00, 0xff}, {0x1a, 0x7f, 0x37, 0xff}, {0x82, 0x50, 0xdf, 0xff}}
)

// svg draws c.
func (c *chart) svg() []byte {
	p := plot.New()
	p.BackgroundColor = nil
	top, ticks := c.scale.ticks(c.highest())
	dress(&p.X, c.across.max, c.across.ticks)
	dress(&p.Y, top, ticks)
	p.X.Label.Text, p.X.Label.TextStyle = c.across.label, style(9, muted)
	p.X.Label.TextStyle.XAlign, p.X.Label.TextStyle.YAlign = draw.XCenter, draw.YBottom
	p.Y.LineStyle.Width, p.Y.Tick.Length = 0, 0
	across := plotter.NewGrid()
	across.Vertical.Width, across.Horizontal.Color = 0, grid
	p.Add(across, phases(c.phases))
	for i, l := range c.lines {
		for _, part := range withoutGaps(l.points) {
			p.Add(&plotter.Line{XYs: part, LineStyle: draw.LineStyle{Color: series[i%len(series)], Width: 1.4}})
		}
	}
	canvas := vgsvg.NewWith(vgsvg.UseWH(width, height))
	whole := draw.New(canvas)
	whole.SetColor(ground)
	whole.Fill(whole.Rectangle.Path())
	c.writeHeader(whole)
	p.Draw(draw.Crop(whole, 10, -16, 6, -header))
	var b bytes.Buffer
	_, _ = canvas.WriteTo(&b) // into memory
	return withFallbackFonts(b.Bytes())
}

// writeHeader writes the title, what is counted, and the lines' names in one row each from the right.
func (c *chart) writeHeader(to draw.Canvas) {
	title, unit, name := style(12, ink), style(9, muted), style(9, ink)
	title.Font.Weight = 2 // bold
	to.FillText(title, vg.Point{X: 10, Y: height - 19}, c.title)
	to.FillText(unit, vg.Point{X: 10, Y: height - 33}, c.unit)
	x := vg.Length(width - 16)
	for i := len(c.lines) - 1; i >= 0; i-- {
		x -= name.Width(c.lines[i].name)
		to.FillText(name, vg.Point{X: x, Y: height - 19}, c.lines[i].name)
		x -= 18
		to.StrokeLine2(draw.LineStyle{Color: series[i%len(series)], Width: 2.5}, x, height-16, x+14, height-16)
		x -= 14
	}
}

// highest returns the largest value of all lines.
func (c *chart) highest() (most float64) {
	for _, l := range c.lines {
		for _, p := range l.points {
			if p.Y > most { // false for a gap
				most = p.Y
			}
		}
	}
	return most
}

// style returns that of a text of so many points.
func style(size vg.Length, c color.Color) text.Style {
	return text.Style{
		Color:   c,
		Font:    font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size),
		Handler: plot.DefaultTextHandler,
	}
}

// dress gives a the range from 0 to top, these ticks, and quiet colours.
func dress(a *plot.Axis, top float64, ticks []plot.Tick) {
	a.Min, a.Max = 0, top
	a.Tick.Marker = plot.ConstantTicks(ticks)
	label := style(9, muted)
	label.XAlign, label.YAlign = a.Tick.Label.XAlign, a.Tick.Label.YAlign
	a.Tick.Label, a.Tick.LineStyle.Color, a.LineStyle.Color = label, muted, muted
	a.Tick.Length, a.Padding = 4, 0
}

// withoutGaps returns the stretches of a line between its gaps.
func withoutGaps(all plotter.XYs) (parts []plotter.XYs) {
	begin := 0
	for i := range all {
		if math.IsNaN(all[i].Y) {
			if i > begin {
				parts = append(parts, all[begin:i])
			}
			begin = i + 1
		}
	}
	if begin < len(all) {
		parts = append(parts, all[begin:])
	}
	return parts
}

// phases draws where each begins, and its name where that fits.
type phases []phase

// Plot implements plot.Plotter.
func (all phases) Plot(to draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&to)
	name := style(8, muted)
	for i, ph := range all {
		left, right := x(ph.at), to.Max.X
		if i+1 < len(all) {
			right = x(all[i+1].at)
		}
		if ph.at > 0 {
			dashes := draw.LineStyle{Color: muted, Width: 0.5, Dashes: []vg.Length{2, 2}}
			to.StrokeLine2(dashes, left, to.Min.Y, left, to.Max.Y)
		}
		if left+name.Width(ph.name)+6 <= right {
			to.FillText(name, vg.Point{X: left + 3, Y: to.Max.Y - 8}, ph.name)
		}
	}
}

// scale says how the values of an axis are written.
type scale struct {
	units []unit // the smallest first
}

// unit is a step of a scale.
type unit struct {
	is   float64 // in what the values are given in
	name string  // " MiB"
}

// The scales.
var (
	counts = scale{[]unit{{1, ""}, {1e3, " k"}, {1e6, " M"}}}
	micros = scale{[]unit{{1, " µs"}, {1e3, " ms"}, {1e6, " s"}}}
	memory = scale{[]unit{{1, " B"}, {1 << 10, " KiB"}, {1 << 20, " MiB"}, {1 << 30, " GiB"}}}
	cpus   = scale{[]unit{{1, ""}}}
)

// ticks returns where an axis for values up to most ends, with room for the phases' names, and its ticks.
func (s scale) ticks(most float64) (top float64, all []plot.Tick) {
	if most <= 0 {
		most = s.units[0].is
	}
	u := s.units[0]
	for _, larger := range s.units[1:] {
		if most >= 2*larger.is {
			u = larger
		}
	}
	step := round(most / u.is / 4)
	n := math.Ceil(most * 1.1 / u.is / step)
	all = append(all, plot.Tick{Label: "0"})
	for i := 1.0; i <= n; i++ {
		all = append(all, plot.Tick{Value: i * step * u.is, Label: strconv.FormatFloat(i*step, 'g', 6, 64) + u.name})
	}
	return n * step * u.is, all
}

// round returns the next number up that is 1, 2, 2.5 or 5 times a power of ten.
func round(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 2.5, 5} {
		if v <= n*power*(1+1e-9) {
			return n * power
		}
	}
	return 10 * power
}

// withFallbackFonts names fonts of the same widths, as few readers have the one that was measured.
func withFallbackFonts(svg []byte) []byte {
	return bytes.ReplaceAll(svg, []byte("font-family:Liberation Sans;"), []byte("font-family:'Liberation Sans',Arimo,Helvetica,Arial,sans-serif;"))
}

// themed returns an SVG for use within a page: without a prologue, and with colours that follow the page's.
func themed(svg []byte, label string) string {
	s := string(svg[bytes.Index(svg, []byte("<svg ")):])
	names := []string{hex(ink), "var(--ink)", hex(muted), "var(--muted)", hex(grid), "var(--grid)", hex(ground), "var(--card)"}
	for i, c := range series {
		names = append(names, hex(c), fmt.Sprintf("var(--series-%d)", i+1))
	}
	s = strings.NewReplacer(names...).Replace(s)
	return strings.Replace(s, "<svg ", `<svg role="img" aria-label="`+label+`" `, 1)
}

// hex returns a colour as the drawing has it.
func hex(c color.RGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }
