using System.Reflection;
using System.Reflection.Emit;

namespace Marrow.Engine.Jit;

/// <summary>One IL instruction with its operand resolved: a number, a branch target, a method, a field or a type.</summary>
internal sealed record Instruction(int At, OpCode Code, object? Operand, int Next)
{
    public string Name => Code.Name!;

    /// <summary>Whether the operand is a method, a field or a type.</summary>
    public bool NamesMember => Code.OperandType is OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineType or OperandType.InlineTok;

    /// <summary>The number of the local or argument that the instruction means.</summary>
    public int Slot => Operand is int n ? n : Name[^1] - '0';
}

/// <summary>Decodes a method's IL (ECMA-335 III).</summary>
internal static class IlReader
{
    private static readonly Dictionary<int, OpCode> Codes = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(f => (OpCode)f.GetValue(null)!).ToDictionary(c => (int)(ushort)c.Value);

    /// <summary>The instructions in order; none where the method has no IL. An operand that cannot be loaded is null.</summary>
    public static List<Instruction> Read(MethodBase method)
    {
        byte[] il = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        Type[]? ofType = method.DeclaringType is { IsGenericType: true } owner ? owner.GetGenericArguments() : null;
        Type[]? ofMethod = method.IsGenericMethod ? method.GetGenericArguments() : null;
        var list = new List<Instruction>();
        for (int p = 0; p < il.Length;)
        {
            int at = p, code = il[p++];
            if (code == 0xFE)
                code = 0xFE00 | il[p++];
            OpCode op = Codes[code];
            object? operand = null;
            switch (op.OperandType)
            {
                case OperandType.InlineNone:
                    break;
                case OperandType.ShortInlineBrTarget:
                    operand = p + 1 + (sbyte)il[p];
                    p += 1;
                    break;
                case OperandType.InlineBrTarget:
                    operand = p + 4 + BitConverter.ToInt32(il, p);
                    p += 4;
                    break;
                case OperandType.ShortInlineI:
                    operand = (int)(sbyte)il[p];
                    p += 1;
                    break;
                case OperandType.ShortInlineVar:
                    operand = (int)il[p];
                    p += 1;
                    break;
                case OperandType.InlineVar:
                    operand = (int)BitConverter.ToUInt16(il, p);
                    p += 2;
                    break;
                case OperandType.InlineI:
                    operand = BitConverter.ToInt32(il, p);
                    p += 4;
                    break;
                case OperandType.InlineI8:
                    operand = BitConverter.ToInt64(il, p);
                    p += 8;
                    break;
                case OperandType.ShortInlineR:
                    operand = BitConverter.ToSingle(il, p);
                    p += 4;
                    break;
                case OperandType.InlineR:
                    operand = BitConverter.ToDouble(il, p);
                    p += 8;
                    break;
                case OperandType.InlineSwitch:
                    p += 4 + 4 * BitConverter.ToInt32(il, p);
                    break;
                case OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineType or OperandType.InlineTok:
                    operand = Resolved(method, BitConverter.ToInt32(il, p), ofType, ofMethod);
                    p += 4;
                    break;
                default:
                    p += 4;
                    break;
            }
            list.Add(new(at, op, operand, p));
        }
        return list;
    }

    private static MemberInfo? Resolved(MethodBase method, int token, Type[]? ofType, Type[]? ofMethod)
    {
        try
        {
            return method.Module.ResolveMember(token, ofType, ofMethod);
        }
        catch (Exception e) when (e is TypeLoadException or MissingMemberException or BadImageFormatException or ArgumentException or IOException)
        {
            return null;
        }
    }
}
