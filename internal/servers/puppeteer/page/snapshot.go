package page

import (
	"context"
	"fmt"

	"drawbridge/internal/servers/puppeteer/outline"
)

// Looking is what a snapshot shows.
type Looking struct {
	outline.Looking
	Root Target // "" is the whole page
	Max  int    // characters
	Diff bool   // only what changed since the snapshot before
}

// Snapshot is an outline of the page as a screen reader has it.
type Snapshot struct {
	URL   string
	Title string
	Text  string
	Cut   int // lines that did not fit
}

// tree is the nodes of one document, and which that is.
type tree struct {
	*outline.Tree
	frame, load string
}

// maxFrames bounds the frames of one snapshot.
const maxFrames = 20

// Snapshot makes the outline. References in it stay the same while the document does.
func (p *Page) Snapshot(ctx context.Context, look Looking) (Snapshot, error) {
	t, err := p.trees(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	root := t.Root
	if look.Root != "" {
		if root, err = p.accessible(ctx, t, look.Root); err != nil {
			return Snapshot{}, err
		}
	}
	s := Snapshot{URL: p.URL()}
	if t.Root != nil {
		s.Title = bounded(t.Root.Name.String(), 300)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var lines []string
	if root != nil {
		lines = outline.Write(t.Tree, root, look.Looking, p.refer)
	}
	before := p.before
	p.before = lines
	if look.Diff {
		lines = outline.Differences(before, lines)
	}
	s.Text, s.Cut = outline.Fit(lines, look.Max)
	return s, nil
}

// trees reads the documents of the page and its frames. A frame of another site runs
// in another process and is shown as a frame without content.
func (p *Page) trees(ctx context.Context) (*tree, error) {
	type frameTree struct {
		Frame       struct{ ID, LoaderID string }
		ChildFrames []frameTree
	}
	var top struct{ FrameTree frameTree }
	if err := p.call(ctx, "Page.getFrameTree", nil, &top); err != nil {
		return nil, err
	}
	main, err := p.tree(ctx, p.o.Frame, top.FrameTree.Frame.LoaderID)
	if err != nil {
		return nil, err
	}
	left := maxFrames
	var add func(t *tree, frames []frameTree)
	add = func(t *tree, frames []frameTree) {
		for _, f := range frames {
			if left--; left < 0 {
				return
			}
			var owner struct{ BackendNodeID int64 }
			child, err := p.tree(ctx, f.Frame.ID, f.Frame.LoaderID)
			if err != nil || p.s.Call(ctx, "DOM.getFrameOwner", m{"frameId": f.Frame.ID}, &owner) != nil {
				continue // of another site, or gone in between
			}
			for _, n := range t.Nodes {
				if n.BackendID == owner.BackendNodeID {
					n.Child = child.Tree
				}
			}
			add(child, f.ChildFrames)
		}
	}
	add(main, top.FrameTree.ChildFrames)
	return main, nil
}

func (p *Page) tree(ctx context.Context, frame, load string) (*tree, error) {
	var r struct{ Nodes []*outline.Node }
	if err := p.call(ctx, "Accessibility.getFullAXTree", m{"frameId": frame}, &r); err != nil {
		return nil, err
	}
	t := &tree{&outline.Tree{Nodes: make(map[string]*outline.Node, len(r.Nodes))}, frame, load}
	for _, n := range r.Nodes {
		n.Frame, n.Load = frame, load
		t.Nodes[n.NodeID] = n
		if n.ParentID == "" && t.Root == nil {
			t.Root = n
		}
	}
	return t, nil
}

// accessible finds the node of an element.
func (p *Page) accessible(ctx context.Context, t *tree, target Target) (*outline.Node, error) {
	id, err := p.backend(ctx, target)
	if err != nil {
		return nil, err
	}
	for _, n := range t.Nodes {
		if n.BackendID == id {
			return n, nil
		}
	}
	return nil, missing(target)
}

// backend is the browser's number of an element.
func (p *Page) backend(ctx context.Context, target Target) (int64, error) {
	if reference().MatchString(string(target)) {
		n, err := p.node(string(target))
		return n.id, err
	}
	object, err := p.selected(ctx, target)
	if err != nil {
		return 0, err
	}
	var r struct{ Node struct{ BackendNodeID int64 } }
	err = p.call(ctx, "DOM.describeNode", m{"objectId": object}, &r)
	p.s.Send("Runtime.releaseObject", m{"objectId": object})
	return r.Node.BackendNodeID, err
}

// refer is the reference of a node, the same as long as the document stays. The lock
// is held.
func (p *Page) refer(n *outline.Node) string {
	if ref := p.names[n.BackendID]; ref != "" && p.refs[ref].load == n.Load {
		return ref
	}
	p.serial++
	ref := fmt.Sprintf("d%de%d", p.doc.generation, p.serial)
	p.names[n.BackendID] = ref
	p.refs[ref] = node{id: n.BackendID, frame: n.Frame, load: n.Load}
	if _, known := p.frames[n.Frame]; !known {
		p.frames[n.Frame] = n.Load
	}
	return ref
}
