using System.Globalization;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace Marrow.Engine.Jit;

/// <summary>Names of locals and source lines from the assembly's portable PDB, where there is one: they make texts and errors readable, nothing depends on them.</summary>
internal sealed class MethodSymbols
{
    private readonly Dictionary<int, string> _locals = [];
    private readonly List<(int Offset, string Place)> _lines = [];

    /// <summary>The name of local <paramref name="slot"/>, or null.</summary>
    public string? LocalName(int slot) => _locals.GetValueOrDefault(slot);

    /// <summary>"RmsNorm.cs:42" for an IL offset, or null.</summary>
    public string? LineAt(int offset) => _lines.LastOrDefault(l => l.Offset <= offset).Place;

    /// <summary>What is known of a method.</summary>
    public static MethodSymbols Of(MethodBase method)
    {
        var symbols = new MethodSymbols();
        string path = method.Module.FullyQualifiedName;
        if (!File.Exists(path))
            return symbols;
        try
        {
            using var assembly = new PEReader(File.OpenRead(path));
            if (assembly.TryOpenAssociatedPortablePdb(path, p => File.Exists(p) ? File.OpenRead(p) : null, out MetadataReaderProvider? pdb, out _) && pdb is not null)
            {
                using (pdb)
                    symbols.Load(pdb.GetMetadataReader(), (MethodDefinitionHandle)MetadataTokens.Handle(method.MetadataToken));
            }
        }
        catch (Exception e) when (e is IOException or BadImageFormatException or UnauthorizedAccessException)
        {
            // Without names the text is as right, only harder to read.
        }
        return symbols;
    }

    private void Load(MetadataReader reader, MethodDefinitionHandle method)
    {
        foreach (LocalScopeHandle handle in reader.GetLocalScopes(method))
        {
            foreach (LocalVariableHandle local in reader.GetLocalScope(handle).GetLocalVariables())
            {
                LocalVariable variable = reader.GetLocalVariable(local);
                _locals.TryAdd(variable.Index, reader.GetString(variable.Name));
            }
        }
        foreach (SequencePoint point in reader.GetMethodDebugInformation(method).GetSequencePoints())
        {
            if (!point.IsHidden)
                _lines.Add((point.Offset, $"{Path.GetFileName(reader.GetString(reader.GetDocument(point.Document).Name))}:{point.StartLine.ToString(CultureInfo.InvariantCulture)}"));
        }
    }
}
