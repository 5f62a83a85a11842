package metrics

import (
	"reflect"
	"testing"
)

// TestAddCoversEveryField sets every figure of a Counts to one and adds it twice: a field that Add forgets
// stays at zero.
func TestAddCoversEveryField(t *testing.T) {
	var one, sum Counts
	setOnes(reflect.ValueOf(&one).Elem())
	sum.Add(&one)
	sum.Add(&one)
	checkTwos(t, "", reflect.ValueOf(sum))
}

func setOnes(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			setOnes(v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			setOnes(v.Index(i))
		}
	default:
		v.Set(reflect.ValueOf(1).Convert(v.Type()))
	}
}

func checkTwos(t *testing.T, name string, v reflect.Value) {
	two := reflect.ValueOf(2)
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			checkTwos(t, v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			checkTwos(t, name, v.Index(i))
		}
	default:
		if !v.Equal(two.Convert(v.Type())) {
			t.Errorf("%s = %v after adding 1 twice", name, v)
		}
	}
}

func TestCloseCodesHaveTheirIndex(t *testing.T) {
	seen := map[int]int{}
	for code := range 5000 {
		i := codeIndex(uint16(code))
		if got := codeOf(i); got != code && got != 0 {
			t.Fatalf("close code %d counts as %d", code, got)
		} else if got == code && code != 0 {
			seen[i]++
		}
	}
	if len(seen) != closeCodes-1 {
		t.Errorf("%d close codes have an index of their own; want %d", len(seen), closeCodes-1)
	}
	for _, code := range []int{1000, 1006, 1011, 3001, 3012, 3500, 3508} {
		if codeOf(codeIndex(uint16(code))) != code {
			t.Errorf("close code %d has no index of its own", code)
		}
	}
}

func TestEveryRejectionHasItsLabels(t *testing.T) {
	seen := map[[2]string]bool{}
	for r, labels := range rejectionLabels {
		if labels[0] == "" || labels[1] == "" || seen[labels] {
			t.Errorf("rejection %d has labels %q; want some of its own", r, labels)
		}
		seen[labels] = true
	}
}
