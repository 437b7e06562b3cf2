package web

import (
	"bytes"
	"html/template"
	"slices"
)

// docsPage makes the page at /docs. It needs nothing from anywhere else.
func docsPage(routes []Route, c Config) []byte {
	type shown struct {
		Route
		Fields []bodyField // of the body
	}
	type group struct {
		Tag    string
		Routes []shown
	}
	var groups []group
	for _, r := range routes {
		i := slices.IndexFunc(groups, func(g group) bool { return g.Tag == r.Tag })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{Tag: r.Tag})
		}
		groups[i].Routes = append(groups[i].Routes, shown{r, bodyFields(r.Body)})
	}
	type code struct{ Code, Title string }
	var codes []code
	for _, name := range Codes(routes) {
		codes = append(codes, code{name, Title(name)})
	}
	var page bytes.Buffer
	err := docsTemplate.Execute(&page, map[string]any{"Config": c, "Groups": groups, "Codes": codes, "About": about})
	if err != nil {
		panic(err)
	}
	return page.Bytes()
}

var docsTemplate = template.Must(template.New("docs").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Config.Title}} API</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
h2{margin-top:2.5rem;border-bottom:1px solid #ddd;text-transform:capitalize}
summary{cursor:pointer;padding:.2rem 0}code{font:14px ui-monospace,monospace}
.m{display:inline-block;width:4.5rem;font-weight:600;color:#05527a}.s{color:#555}
table{border-collapse:collapse}td{padding:.1rem 1rem .1rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}.s{color:#aaa}.m{color:#7cc4ea}h2{border-color:#444}a{color:#7cc4ea}}
</style>
<h1>{{.Config.Title}} API</h1>
<p>{{.About}} For programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>
{{range .Groups}}<h2>{{.Tag}}</h2>
{{range .Routes}}<details id="{{.ID}}"><summary><code><span class="m">{{.Method}}</span>{{.Template}}</code> <span class="s">{{.Summary}}</span></summary>
{{with .Detail}}<p>{{.}}</p>{{end}}
{{with .Params}}<table>{{range .}}<tr><td><code>{{.Name}}</code></td><td>{{.In}}{{if .Required}}, required{{end}}</td><td>{{.Detail}}</td></tr>{{end}}</table>{{end}}
{{with .Fields}}<table>{{range .}}<tr><td><code>{{.Name}}</code></td><td>body{{if .Required}}, required{{end}}</td><td>{{.Type}}</td></tr>{{end}}</table>{{end}}
{{with .Refuses}}<p>Refuses with {{range $i, $c := .}}{{if $i}}, {{end}}<a href="#{{$c}}"><code>{{$c}}</code></a>{{end}}.</p>{{end}}
</details>{{end}}{{end}}
<h2>Problem codes</h2><table>
{{range .Codes}}<tr id="{{.Code}}"><td><code>{{.Code}}</code></td><td>{{.Title}}</td></tr>
{{end}}</table></html>
`))
