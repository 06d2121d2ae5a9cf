package packaging

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every promise of the README's tables is tested by a test that there is.
func TestPromisesAreTested(t *testing.T) {
	b, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, heads := range []string{"| fault | what happens | test |", "| who | can | cannot | test |"} {
		_, table, _ := strings.Cut(string(b), heads)
		table, _, _ = strings.Cut(table, "\n\n")
		rows = append(rows, strings.Split(table, "\n")[2:]...)
	}
	if len(rows) < 30 {
		t.Fatalf("the tables have %d rows", len(rows))
	}
	out, err := exec.Command("grep", "-rho", "^func Test[A-Za-z0-9]*", "--include=*_test.go", "..").Output()
	if err != nil {
		t.Fatal(err)
	}
	tests := strings.Fields(string(out))
	for _, row := range rows {
		cells := strings.Split(row, "|")
		names := regexp.MustCompile("`([A-Za-z0-9]+)`").FindAllStringSubmatch(cells[len(cells)-2], -1)
		if len(names) == 0 {
			t.Errorf("no test is named for%s", cells[1])
		}
		for _, name := range names {
			if !slices.Contains(tests, "Test"+name[1]) {
				t.Errorf("there is no Test%s, which is named for%s", name[1], cells[1])
			}
		}
	}
}
