package esnode

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec this one stands before
	"google.golang.org/grpc/mem"
)

// frame is a message that is encoded already.
type frame struct{ bytes []byte }

// codec sends frames as they are, reads the messages of an append, and leaves
// all else to protobuf.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Marshal encodes a message.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*frame); ok {
		return mem.BufferSlice{mem.SliceBuffer(f.bytes)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal decodes a message.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*appendMessage); ok {
		// The bytes are a copy: the event keeps parts of it. The error is
		// the handler's to answer: from here it would cut the client off.
		m.err = m.decode(data.Materialize())
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}
