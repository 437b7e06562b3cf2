package commands

import (
	"net/http"

	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/internal/web"
)

// AttributeList is the schema of what customers have beside what every customer has.
type AttributeList struct {
	Version    int             `json:"version"` // how often the schema changed; 0: nothing was ever defined
	Attributes []AttributeInfo `json:"attributes"`
	Position   uint64          `json:"position"`
}

// AttributeInfo is one attribute of the schema.
type AttributeInfo struct {
	Key         string   `json:"key"`
	Type        string   `json:"type"`
	Enum        []string `json:"enum,omitempty"`
	Personal    bool     `json:"personal"`
	Required    bool     `json:"required"`
	Retired     bool     `json:"retired"`
	Label       string   `json:"label,omitempty"`
	Description string   `json:"description,omitempty"`
	Version     int      `json:"version"` // of the schema, when the attribute last changed
}

func (a *API) attributesRoute() web.Route {
	return web.Route{
		Method: http.MethodGet, Path: Schema.Path + "/attributes", Summary: "Every attribute of the schema, by key", Tag: Schema.Tag, Params: minPosition,
		Answers: []web.Answer{{Status: http.StatusOK, Body: AttributeList{}}}, Refuses: []string{ErrBehind.Code},
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			facts, err := a.facts(r)
			if err != nil {
				return err
			}
			list := AttributeList{Version: facts.Attributes.Version, Attributes: []AttributeInfo{}, Position: facts.Position}
			for _, x := range facts.Attributes.All() {
				list.Attributes = append(list.Attributes, infoOf(x))
			}
			return web.WriteJSON(w, http.StatusOK, list)
		},
	}
}

func infoOf(a attribute.Attribute) AttributeInfo {
	return AttributeInfo{
		Key: a.Key, Type: a.Type, Enum: a.Enum, Personal: a.Personal, Required: a.Required, Retired: a.Retired,
		Label: a.Label, Description: a.Description, Version: a.Version,
	}
}
