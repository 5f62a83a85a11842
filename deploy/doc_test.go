// Package deploy has no code: it is files for operators, and README.md says what each is. Its tests hold them against
// the tools that read them and against what edge has: a tool that is missing is a skip on a developer's machine and a
// failure where CI is set.
package deploy
