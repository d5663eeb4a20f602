using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Marrow.Formats.PyTorch;

/// <summary>
/// Reads a pickle as data: the operations that build lists, dictionaries, numbers and texts are carried out, calls become records of
/// what they stand for, and names outside the allow-list of <see cref="TorchName"/> are refused. Nothing from the file is ever run
/// (spec/formats.md §4.2). Steps and memory are bounded by <see cref="PickleBudget"/>.
/// </summary>
internal sealed class Unpickler
{
    private const int NewestProtocol = 5;
    private const int LongestName = 256;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);
    private static readonly object True = true, False = false;
    private static readonly object[] SmallNumbers = [.. Enumerable.Range(0, 256).Select(n => (object)(long)n)];

    private readonly ByteReader _input;
    private readonly string _path;
    private readonly TorchObjects _objects;
    private readonly List<string> _warnings;
    private readonly PickleBudget _budget;
    private PickleStack _stack;
    private byte _operation;
    private long _start;

    public Unpickler(ByteReader input, string path, TorchObjects objects, List<string> warnings)
    {
        (_input, _path, _objects, _warnings) = (input, path, objects, warnings);
        _budget = new PickleBudget(Fault);
        _stack = new PickleStack(_budget, Fault);
    }

    /// <summary>The value of the pickle that begins here; the input stands behind its end afterwards, where another may follow.</summary>
    /// <exception cref="ModelFileException">PT010 … PT024 and PT033.</exception>
    public object Read()
    {
        _stack = new PickleStack(_budget, Fault);
        while (true)
        {
            _start = _input.Position;
            _operation = _input.Byte();
            _budget.Step();
            if (_operation == '.')
                return _stack.Result();
            if (!Constant() && !Container() && !Reference())
                throw Fault("PT011", "this operation is not allowed in a checkpoint; the file is damaged or was made to do harm");
        }
    }

    private bool Constant()
    {
        switch ((char)_operation)
        {
            case '\u0080': // PROTO
                if (_input.Byte() is var protocol and > NewestProtocol)
                    throw Fault("PT011", $"pickle protocol {protocol} is not known; at most {NewestProtocol} is read");
                return true;
            case '\u0095': // FRAME: where a frame ends is of no matter here
                _input.Take(8);
                return true;
            case 'N':
                _stack.Push(PickleNone.Value);
                return true;
            case '\u0088':
                _stack.Push(True);
                return true;
            case '\u0089':
                _stack.Push(False);
                return true;
            case 'J':
                return Push((int)_input.UInt32());
            case 'K':
                return Push(_input.Byte());
            case 'M':
                return Push(_input.UInt16());
            case '\u008A': // LONG1
                return PushLong(_input.Take(_input.Byte()));
            case 'G': // BINFLOAT
                _budget.Charge(PickleBudget.Number);
                _stack.Push(BinaryPrimitives.ReadDoubleBigEndian(_input.Take(8)));
                return true;
            case 'X' or 'T': // BINUNICODE, BINSTRING
                return PushText(_input.UInt32());
            case '\u008C' or 'U': // SHORT_BINUNICODE, SHORT_BINSTRING
                return PushText(_input.Byte());
            case '\u008D': // BINUNICODE8
                return PushText(_input.UInt64());
            case 'B': // BINBYTES
                return PushBytes(_input.UInt32());
            case 'C': // SHORT_BINBYTES
                return PushBytes(_input.Byte());
            case '\u008E': // BINBYTES8
                return PushBytes(_input.UInt64());
            default:
                return false;
        }
    }

    private bool Container()
    {
        switch ((char)_operation)
        {
            case '(':
                _stack.Mark();
                return true;
            case '0': // POP
                _stack.Pop();
                return true;
            case '1': // POP_MARK
                _stack.PopMark();
                return true;
            case ')':
                return PushTuple([]);
            case '\u0085':
                return PushTuple(_stack.Pop(1));
            case '\u0086':
                return PushTuple(_stack.Pop(2));
            case '\u0087':
                return PushTuple(_stack.Pop(3));
            case 't':
                return PushTuple(_stack.PopMark());
            case '}':
                _budget.Charge(PickleBudget.Container);
                _stack.Push(new PickleDict());
                return true;
            case ']' or '\u008F': // EMPTY_LIST, EMPTY_SET
                _budget.Charge(PickleBudget.Container);
                _stack.Push(new PickleList());
                return true;
            case 'a':
                return Append(_stack.Pop(1));
            case 'e' or '\u0090': // APPENDS, ADDITEMS
                return Append(_stack.PopMark());
            case 's':
                return SetItems(_stack.Pop(2));
            case 'u':
                return SetItems(_stack.PopMark());
            default:
                return false;
        }
    }

    private bool Reference()
    {
        switch ((char)_operation)
        {
            case 'q':
                _stack.Memoize(_input.Byte());
                return true;
            case 'r':
                _stack.Memoize(_input.UInt32());
                return true;
            case '\u0094':
                _stack.Memoize();
                return true;
            case 'h':
                _stack.Push(_stack.Recall(_input.Byte()));
                return true;
            case 'j':
                _stack.Push(_stack.Recall(_input.UInt32()));
                return true;
            case 'c': // GLOBAL
                string module = Line();
                _stack.Push(Allowed(module, Line()));
                return true;
            case '\u0093': // STACK_GLOBAL
                _stack.Push(_stack.Pop(2) is [string module4, string name4] ? Allowed(module4, name4) : throw Fault("PT013", "the name that it reaches for is no text"));
                return true;
            case 'Q':
                _budget.Charge(PickleBudget.Storage);
                _stack.Push(_objects.Storage(_stack.Pop(), Fault));
                return true;
            case 'R' or '\u0081': // REDUCE, NEWOBJ
                return Call(_stack.Pop(2));
            case 'b':
                return Build(_stack.Pop());
            default:
                return false;
        }
    }

    private bool Push(long number)
    {
        if (number >= 0 && number < SmallNumbers.Length)
        {
            _stack.Push(SmallNumbers[number]);
            return true;
        }
        _budget.Charge(PickleBudget.Number);
        _stack.Push(number);
        return true;
    }

    /// <summary>A little-endian integer in two's complement of any length.</summary>
    private bool PushLong(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length <= sizeof(long))
        {
            long number = bytes.Length > 0 ? (sbyte)bytes[^1] : 0;
            for (int i = bytes.Length - 2; i >= 0; i--)
                number = (number << 8) | bytes[i];
            return Push(number);
        }
        _budget.Charge(PickleBudget.Container + byte.MaxValue);
        _stack.Push(new BigInteger(bytes));
        return true;
    }

    private bool PushText(ulong length)
    {
        ReadOnlySpan<byte> bytes = Bytes(length);
        try
        {
            _stack.Push(StrictUtf8.GetString(bytes));
        }
        catch (DecoderFallbackException)
        {
            throw Fault("PT012", $"a text of {length} bytes is not UTF-8");
        }
        return true;
    }

    private bool PushBytes(ulong length)
    {
        _stack.Push(Bytes(length).ToArray());
        return true;
    }

    private ReadOnlySpan<byte> Bytes(ulong length)
    {
        if (length > (ulong)_input.Remaining)
            throw Fault("PT012", $"a text or byte string of {length} bytes is stated, but only {_input.Remaining} are left");
        // The bytes themselves may be copied, and each becomes a character of two bytes.
        _budget.Charge(PickleBudget.Text + 3 * (long)length);
        return _input.Take((long)length);
    }

    private bool PushTuple(object[] items)
    {
        _budget.Charge(PickleBudget.Tuple);
        _stack.Push(new PickleTuple(items));
        return true;
    }

    private bool Append(object[] items)
    {
        if (_stack.Peek() is not PickleList list)
            throw Fault("PT013", "items are appended to something that is no list");
        _budget.Charge((long)items.Length * PickleBudget.Slot);
        list.Items.AddRange(items);
        return true;
    }

    private bool SetItems(object[] items)
    {
        if (_stack.Peek() is not PickleDict dict)
            throw Fault("PT013", "items are set in something that is no dictionary");
        if (items.Length % 2 != 0)
            throw Fault("PT013", $"{items.Length} keys and values are set, which are no pairs");
        _budget.Charge((long)items.Length / 2 * PickleBudget.Pair);
        for (int i = 0; i < items.Length; i += 2)
        {
            if (!PickleDict.CanBeKey(items[i]))
                throw Fault("PT013", "a dictionary's key is a value that cannot be one");
            dict.Set(items[i], items[i + 1]);
        }
        return true;
    }

    private bool Call(object[] call)
    {
        if (call is not [TorchName callee, PickleTuple { Items: var args }])
            throw Fault("PT013", "something is called that is no function, or not with a tuple");
        _budget.Charge(callee.Kind == TorchKind.OrderedDict
            ? PickleBudget.Container + (args is [PickleList pairs] ? (long)pairs.Items.Count * PickleBudget.Pair : 0)
            : PickleBudget.Call);
        _stack.Push(_objects.Call(callee, args, Fault));
        return true;
    }

    /// <summary>Attributes: those of an OrderedDict are torch's own notes; a tensor's are told as not read.</summary>
    private bool Build(object state)
    {
        const string note = "a tensor's Python attributes are not read";
        switch (_stack.Peek())
        {
            case PickleDict or PickleOpaque:
                return true;
            case TensorRef when state is PickleTuple or PickleDict:
                if (!_warnings.Contains(note))
                    _warnings.Add(note);
                return true;
            default:
                throw Fault("PT013", "attributes are set on something that has none");
        }
    }

    private TorchName Allowed(string module, string name)
    {
        _budget.Charge(PickleBudget.Name);
        if (module.Length <= LongestName && name.Length <= LongestName)
        {
            if (TorchName.Find(module, name) is { } allowed)
                return allowed;
            if (TorchName.IsOtherTensor(module, name))
                throw Fault("PT024", $"it holds a tensor made by {module}.{name}: sparse, quantised and other special tensors are not read; save plain dense tensors");
        }
        throw Fault("PT010",
            $"the pickle wants to call {Echo.Name(module)}.{Echo.Name(name)}: refused, since this can run code; nothing was run. If you trust where it comes from, save the tensors alone (a state dict, or safetensors)");
    }

    private string Line()
    {
        Span<byte> line = stackalloc byte[LongestName];
        for (int length = 0; length < line.Length; length++)
        {
            line[length] = _input.Byte();
            if (line[length] == '\n')
                return Encoding.Latin1.GetString(line[..length]);
        }
        throw Fault("PT012", $"the name that it reaches for has more than {LongestName} characters");
    }

    private ModelFileException Fault(string code, string message) => new(code, _path,
        string.Create(CultureInfo.InvariantCulture, $"{_input.What}, operation 0x{_operation:X2} at byte {_start}: {message}"));
}
