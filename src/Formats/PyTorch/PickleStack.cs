namespace Marrow.Formats.PyTorch;

/// <summary>The pickle machine's stack with its marks, and its memo; every misuse is PT013.</summary>
internal sealed class PickleStack(PickleBudget budget, PickleFault fault)
{
    private const int LargestMemo = 1 << 20;

    private readonly List<object> _values = [];
    private readonly List<int> _marks = [];
    private object?[] _memo = [];
    private int _remembered;
    private int _deepest;

    /// <summary>What lies below the last mark cannot be reached.</summary>
    private int Floor => _marks.Count > 0 ? _marks[^1] : 0;

    public void Push(object value)
    {
        _values.Add(value);
        if (_values.Count > _deepest)
        {
            _deepest = _values.Count;
            budget.Charge(PickleBudget.Slot);
        }
    }

    public void Mark()
    {
        budget.Charge(PickleBudget.Slot);
        _marks.Add(_values.Count);
    }

    public object Pop()
    {
        object top = Peek();
        _values.RemoveAt(_values.Count - 1);
        return top;
    }

    public object Peek() => _values.Count > Floor ? _values[^1] : throw fault("PT013", "a value is needed, but the stack has none");

    /// <summary>The last <paramref name="count"/> values, in order, taken off.</summary>
    public object[] Pop(int count)
    {
        if (_values.Count - Floor < count)
            throw fault("PT013", $"{count} values are needed, but the stack has {_values.Count - Floor}");
        return Cut(_values.Count - count);
    }

    /// <summary>Everything since the last mark, taken off with the mark.</summary>
    public object[] PopMark()
    {
        if (_marks.Count == 0)
            throw fault("PT013", "a mark is needed, but there is none");
        int from = _marks[^1];
        _marks.RemoveAt(_marks.Count - 1);
        return Cut(from);
    }

    /// <summary>The one value that is left at the end.</summary>
    public object Result() => _values.Count == 1 && _marks.Count == 0 ? _values[0]
        : throw fault("PT013", $"the pickle ends with {_values.Count} values and {_marks.Count} marks on its stack, where one value must be left");

    /// <summary>Remembers the top value under the next free number.</summary>
    public void Memoize() => Memoize((uint)_remembered);

    public void Memoize(uint number)
    {
        object value = Peek();
        if (number >= LargestMemo)
            throw fault("PT015", $"memo number {number} is above the limit of {LargestMemo}");
        if (number >= _memo.Length)
        {
            int size = (int)Math.Max(number + 1, Math.Min(LargestMemo, _memo.Length * 2));
            budget.Charge((long)(size - _memo.Length) * PickleBudget.Slot);
            Array.Resize(ref _memo, size);
        }
        _remembered += _memo[number] is null ? 1 : 0;
        _memo[number] = value;
    }

    public object Recall(uint number) => number < _memo.Length && _memo[number] is { } value ? value
        : throw fault("PT013", $"memo number {number} is asked for, but nothing was stored there");

    private object[] Cut(int from)
    {
        object[] values = [.. System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_values)[from..]];
        budget.Charge(values.Length * 8L);
        _values.RemoveRange(from, values.Length);
        return values;
    }
}
